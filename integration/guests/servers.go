// SPDX-License-Identifier: Apache-2.0

package guests

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Servers are the server programs in C and Rust, and those that docs/serving.md
// shows, by name.
var Servers = []string{"poll-c", "poll-rust", "serving-c", "serving-go", "serving-rust"}

// serving is the page whose programs are built as they stand there.
const serving = "docs/serving.md"

// extensions are the names of source files by language.
var extensions = map[string]string{"c": ".c", "go": ".go", "rust": ".rs"}

// Tools makes sure that the compilers of C and Rust are there.
type Tools func(ctx context.Context) error

// BuildServers compiles Servers into the folder. Those whose sources did not
// change since stay, and need no compiler.
func BuildServers(ctx context.Context, repo, dir string, tools Tools) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range Servers {
		kind, language, _ := strings.Cut(name, "-")
		source, err := serverSource(repo, kind, language)
		if err != nil {
			return err
		}
		if err := buildServer(ctx, dir, name, language, source, tools); err != nil {
			return fmt.Errorf("guest %s: %w", name, err)
		}
	}
	return nil
}

func serverSource(repo, kind, language string) ([]byte, error) {
	if kind == "poll" {
		return os.ReadFile(filepath.Join(repo, "integration", "guests", "servers", "poll"+extensions[language]))
	}
	page, err := os.ReadFile(filepath.Join(repo, serving))
	if err != nil {
		return nil, err
	}
	block, err := codeBlock(page, language)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", serving, err)
	}
	return block, nil
}

// codeBlock returns the one code block of a Markdown page in the language.
func codeBlock(page []byte, language string) ([]byte, error) {
	const fence = "```"
	parts := bytes.Split(page, []byte("\n"+fence+language+"\n"))
	if len(parts) != 2 {
		return nil, fmt.Errorf("%d code blocks in %s, want one", len(parts)-1, language)
	}
	block, _, closed := bytes.Cut(parts[1], []byte("\n"+fence+"\n"))
	if !closed {
		return nil, fmt.Errorf("code block in %s: no end", language)
	}
	return append(block, '\n'), nil
}

// buildServer compiles the source unless that was done: its hash is beside the
// module.
func buildServer(ctx context.Context, dir, name, language string, source []byte, tools Tools) error {
	module, stamp := filepath.Join(dir, name+".wasm"), filepath.Join(dir, name+".stamp")
	sum := sha256.Sum256(append(source, fmt.Sprint(compiler(language, "-", "-"))...))
	hash := hex.EncodeToString(sum[:])
	old, err := os.ReadFile(stamp)
	if _, absent := os.Stat(module); err == nil && absent == nil && string(old) == hash {
		return nil
	}
	if err := tools(ctx); err != nil {
		return err
	}
	work, err := os.MkdirTemp(dir, name+".*.partial")
	if err != nil {
		return err
	}
	file, out := filepath.Join(work, "main"+extensions[language]), filepath.Join(work, name+".wasm")
	err = os.WriteFile(file, source, 0o644)
	if err == nil {
		err = compile(ctx, compiler(language, file, out))
	}
	if err == nil {
		err = os.Rename(out, module)
	}
	if err == nil {
		err = os.WriteFile(stamp, []byte(hash), 0o644)
	}
	return errors.Join(err, os.RemoveAll(work))
}

// compiler is the command that compiles a file: of C and Rust with Debian's own
// compilers, whatever else is in PATH.
func compiler(language, file, out string) []string {
	switch language {
	case "c":
		return []string{"/usr/bin/clang", "--target=wasm32-wasi", "--sysroot=/usr", "-O2", "-Wall", "-Wextra", "-Werror", "-o", out, file}
	case "rust":
		return []string{
			"/usr/bin/rustc", "--target", rustTarget(), "--edition", "2021", "-O", "-D", "warnings",
			"-C", "strip=symbols", "-C", "linker=wasm-ld", "-o", out, file,
		}
	default:
		return []string{"go", "build", "-p", "2", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, file}
	}
}

// rustTarget is preview 1's name: a new one since Rust 1.78.
func rustTarget() string {
	const now = "wasm32-wasip1"
	if _, err := os.Stat(filepath.Join("/usr/lib/rustlib", now)); err == nil {
		return now
	}
	return "wasm32-wasi"
}

func compile(ctx context.Context, words []string) error {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", words[0], err, output.Bytes())
	}
	return nil
}
