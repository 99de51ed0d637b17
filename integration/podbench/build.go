// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/wazelet/wazelet/integration/lab"
)

// workload is a program that each side runs, made from one source.
type workload struct {
	name   string
	source string // below this directory: a file in C, or the folder of a Go program
	what   string // in the report
}

var workloads = []workload{
	{name: "small", source: "workload/web.c", what: "web server in C"},
	{name: "go", source: "workload/web", what: "web server in Go (net/http)"},
	{name: "large", source: "workload/large", what: "web server in Go with much linked in"},
	{name: "job", source: "workload/job.c", what: "job in C that ends at once"},
}

// programs are the two forms of a workload.
type programs struct{ wasm, native []byte }

// build makes both forms of each workload, in the folder.
func build(ctx context.Context, repo, dir string, log io.Writer) (map[string]programs, error) {
	if err := lab.InstallCompilers(ctx, log); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	made := map[string]programs{}
	for _, w := range workloads {
		var p programs
		for _, form := range []struct {
			to   *[]byte
			name string
			wasm bool
		}{{&p.wasm, w.name + ".wasm", true}, {&p.native, w.name, false}} {
			file := filepath.Join(dir, form.name)
			err := compile(ctx, repo, file, filepath.Join("integration/podbench", w.source), form.wasm)
			if err == nil {
				*form.to, err = os.ReadFile(file)
			}
			if err != nil {
				return nil, fmt.Errorf("workload %s: %w", form.name, err)
			}
		}
		made[w.name] = p
	}
	return made, nil
}

// compile makes one program: static, for size of no debugger's use.
func compile(ctx context.Context, repo, out, source string, wasm bool) error {
	words := []string{"go", "build", "-p", "2", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, "./" + source}
	env := []string{"CGO_ENABLED=0", "GOFLAGS="}
	switch c := filepath.Ext(source) == ".c"; {
	case c && wasm:
		words = []string{"/usr/bin/clang", "--target=wasm32-wasi", "--sysroot=/usr", "-O2", "-Wall", "-Wextra", "-Werror", "-s", "-o", out, source}
	case c:
		words = []string{"gcc", "-static", "-O2", "-Wall", "-Wextra", "-Werror", "-s", "-o", out, source}
	case wasm:
		env = append(env, "GOOS=wasip1", "GOARCH=wasm")
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir, cmd.Env = repo, append(os.Environ(), env...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", words[0], err, output.Bytes())
	}
	return nil
}
