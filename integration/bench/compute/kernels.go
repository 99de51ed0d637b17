// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// kernel is a piece of work in one language.
type kernel struct {
	// name says what it is: language, work, and how it was compiled if otherwise than
	// the others.
	name string
	// flags are those of the compiler of C, for both forms, and for the Wasm form alone.
	flags, wasmFlags []string
}

// kernels in the table's order.
var kernels = []kernel{
	{name: "c/hash"},
	{name: "c/sort"},
	{name: "c/matrix"},
	{name: "c/matrix/simd", flags: []string{"-O3"}, wasmFlags: []string{"-msimd128"}},
	{name: "go/hash"},
	{name: "go/json"},
	{name: "go/sort"},
	{name: "go/matrix"},
	{name: "go/regex"},
	{name: "go/compression"},
	{name: "go/http"},
}

// work is the kernel's name without the language and the flags.
func (k kernel) work() string { return strings.Split(k.name, "/")[1] }

// program is a kernel compiled for each kind of side.
type program struct {
	kernel
	native, wasm string // files
}

// build compiles those of the kernels that are wanted, below dir.
func build(ctx context.Context, o *options, dir string) ([]program, error) {
	var made []program
	built := map[string]bool{}
	for _, k := range kernels {
		if !o.wants(k.name) {
			continue
		}
		file := filepath.Join(dir, strings.ReplaceAll(k.name, "/", "-"))
		if strings.HasPrefix(k.name, "go/") { // all of them are one program
			file = filepath.Join(dir, "golang")
		}
		p := program{kernel: k, native: file, wasm: file + ".wasm"}
		made = append(made, p)
		if built[file] {
			continue
		}
		built[file] = true
		for _, form := range []struct {
			out  string
			wasm bool
		}{{p.native, false}, {p.wasm, true}} {
			if err := p.compile(ctx, o.source, form.out, form.wasm); err != nil {
				return nil, fmt.Errorf("%s: %w", filepath.Base(form.out), err)
			}
		}
	}
	if len(made) == 0 {
		return nil, fmt.Errorf("no kernel begins with %s", strings.Join(o.only, " or "))
	}
	return made, nil
}

func (o *options) wants(name string) bool {
	for _, prefix := range o.only {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return len(o.only) == 0
}

// compile makes one form, statically linked. C has the same compiler for both, so
// that what differs is not the compiler's front.
func (p program) compile(ctx context.Context, source, out string, wasm bool) error {
	words := []string{"go", "build", "-p", "2", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, "./compute/kernels/golang"}
	env := []string{"CGO_ENABLED=0", "GOFLAGS="}
	switch {
	case strings.HasPrefix(p.name, "c/"):
		words = append([]string{"/usr/bin/clang", "-O2", "-Wall", "-Wextra", "-Werror"}, p.flags...)
		if wasm {
			words = append(append(words, "--target=wasm32-wasi", "--sysroot=/usr", "-Wl,--strip-debug"), p.wasmFlags...)
		} else {
			words = append(words, "-static")
		}
		words = append(words, "-o", out, "compute/kernels/c/main.c", "compute/kernels/c/"+p.work()+".c")
	case wasm:
		env = append(env, "GOOS=wasip1", "GOARCH=wasm")
	}
	return command(ctx, source, env, words...)
}

// command runs a program, and has its output in the error.
func command(ctx context.Context, dir string, env []string, words ...string) error {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", words[0], err, output.Bytes())
	}
	return nil
}
