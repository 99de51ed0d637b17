// SPDX-License-Identifier: Apache-2.0

// Command lintproof shows that each lint rule fires. The files of testdata have a
// fault each, and say in a comment which lint must find it on that line:
//
//	os.Remove(path) // want errcheck "os.Remove"
//
// "want above" looks at the whole block of lines before the comment, "want
// anywhere" at the whole file.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/wazelet/wazelet/integration/lab/parts"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "lintproof:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	repo, err := parts.Repo()
	if err != nil {
		return err
	}
	// Inside the module, for its dependencies, but where no ./... looks.
	work := filepath.Join(repo, ".cache", "lintproof")
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	wants, dirs, err := seed(filepath.Join(repo, "integration/lab/cmd/lintproof/testdata"), work)
	if err != nil {
		return err
	}
	runner := filepath.Join(parts.Cache(repo), "bin", "golangci-lint")
	issues, err := lint(ctx, repo, runner, dirs)
	if err != nil {
		return err
	}
	silent, err := unproven(ctx, repo, runner, wants)
	if err != nil {
		return err
	}
	for _, w := range wants {
		if !w.in(issues) {
			silent = append(silent, w.String())
		}
	}
	if len(silent) > 0 {
		return fmt.Errorf("did not fire:\n  %s", strings.Join(silent, "\n  "))
	}
	fmt.Fprintf(out, "lintproof: all %d seeded faults were found\n", len(wants))
	return os.RemoveAll(work)
}

// seed copies every fault into a package of its own.
func seed(from, to string) (wants []want, dirs []string, err error) {
	files, err := filepath.Glob(filepath.Join(from, "*.go*"))
	if err != nil {
		return nil, nil, err
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, err
		}
		name, _, _ := strings.Cut(filepath.Base(file), ".")
		dir := filepath.Join(to, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, "fault.go"), content, 0o644); err != nil {
			return nil, nil, err
		}
		found := parseWants(name, string(content))
		if len(found) == 0 {
			return nil, nil, fmt.Errorf("%s: wants nothing", file)
		}
		wants = append(wants, found...)
		dirs = append(dirs, "./.cache/lintproof/"+name)
	}
	return wants, dirs, nil
}

// issue is one finding of golangci-lint.
type issue struct {
	FromLinter, Text string
	Pos              struct {
		Filename string
		Line     int
	}
}

func lint(ctx context.Context, repo, runner string, dirs []string) ([]issue, error) {
	cmd := exec.CommandContext(ctx, runner, append([]string{"run", "--output.json.path=stdout", "--show-stats=false"}, dirs...)...)
	cmd.Dir = repo
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) { // 1: there are issues
		return nil, fmt.Errorf("%w\n%s", err, stderr.String())
	}
	var report struct{ Issues []issue }
	if err := json.NewDecoder(&stdout).Decode(&report); err != nil {
		return nil, fmt.Errorf("report of golangci-lint: %w\n%s", err, stderr.String())
	}
	return report.Issues, nil
}

// unproven returns the enabled linters and formatters that no fault is for.
func unproven(ctx context.Context, repo, runner string, wants []want) ([]string, error) {
	var silent []string
	for _, kind := range []string{"linters", "formatters"} {
		cmd := exec.CommandContext(ctx, runner, kind, "--json")
		cmd.Dir = repo
		output, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("list of %s: %w", kind, err)
		}
		var list struct{ Enabled []struct{ Name string } }
		if err := json.Unmarshal(output, &list); err != nil {
			return nil, fmt.Errorf("list of %s: %w", kind, err)
		}
		for _, linter := range list.Enabled {
			if !proven(linter.Name, wants) {
				silent = append(silent, linter.Name+": has no fault in testdata")
			}
		}
	}
	return silent, nil
}

func proven(linter string, wants []want) bool {
	for _, w := range wants {
		if w.linter == linter {
			return true
		}
	}
	return false
}
