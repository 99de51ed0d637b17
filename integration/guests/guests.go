// SPDX-License-Identifier: Apache-2.0

// Package guests builds the Wasm programs that the demo and the end-to-end tests
// run. The larger ones are Go programs in the folders beside this file; the
// smallest, each for one exact behaviour, are written byte by byte by package tiny.
package guests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Programs are the Go programs, by the name of their folder.
var Programs = []string{"hello", "wasmerciser", "probe", "web", "cgi", "fetch"}

// Build compiles the programs for wasip1 into the folder and leaves those alone
// whose sources did not change: the Go tool knows. Several processes may build
// into one folder.
func Build(ctx context.Context, repo, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range Programs {
		if err := build(ctx, repo, dir, name); err != nil {
			return fmt.Errorf("guest %s: %w", name, err)
		}
	}
	return nil
}

func build(ctx context.Context, repo, dir, name string) error {
	partial, err := os.CreateTemp(dir, name+".*.partial")
	if err != nil {
		return err
	}
	if err := partial.Close(); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-p", "2", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w",
		"-o", partial.Name(), "./integration/guests/"+name)
	cmd.Dir = repo
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return errors.Join(fmt.Errorf("%w\n%s", err, output.Bytes()), os.Remove(partial.Name()))
	}
	if err := os.Chmod(partial.Name(), 0o755); err != nil {
		return err
	}
	return os.Rename(partial.Name(), filepath.Join(dir, name+".wasm"))
}

// Read returns the bytes of a program built into the folder.
func Read(dir, name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(dir, name+".wasm"))
}
