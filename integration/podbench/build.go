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
	"slices"

	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/parts"
)

// workload is a program that each side runs, made from one source.
type workload struct {
	name   string
	source string // below this directory: a file in C, or the folder of a Go program
	what   string // in the report
	// wasmedge says that the source knows of WasmEdge's sockets (-DWASMEDGE).
	wasmedge bool
}

var workloads = []workload{
	{name: "small", source: "workload/web.c", what: "web server in C", wasmedge: true},
	{name: "go", source: "workload/web", what: "web server in Go (net/http)"},
	{name: "large", source: "workload/large", what: "web server in Go with much linked in"},
	{name: "job", source: "workload/job.c", what: "job in C that ends at once"},
}

// programs are the forms of a workload. The one for WasmEdge opens its socket itself,
// by that engine's extension, and is absent where the other Wasm form does.
type programs struct{ wasm, native, wasmedge []byte }

// form is a program to make of a workload.
type form struct {
	to    *[]byte
	name  string
	wasm  bool
	flags []string // of the compiler of C
}

// build makes both forms of the named workloads, of all if none is named.
func build(ctx context.Context, log io.Writer, names ...string) (map[string]programs, error) {
	repo, err := parts.Repo()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(parts.Cache(repo), "podbench")
	if err := lab.InstallCompilers(ctx, log); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	made := map[string]programs{}
	for _, w := range workloads {
		if len(names) > 0 && !slices.Contains(names, w.name) {
			continue
		}
		var p programs
		forms := []form{{&p.wasm, w.name + ".wasm", true, nil}, {&p.native, w.name, false, nil}}
		if w.wasmedge {
			forms = append(forms, form{&p.wasmedge, w.name + "-wasmedge.wasm", true, []string{"-DWASMEDGE"}})
		}
		for _, form := range forms {
			file := filepath.Join(dir, form.name)
			err := compile(ctx, repo, file, filepath.Join("integration/podbench", w.source), form.wasm, form.flags...)
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
func compile(ctx context.Context, repo, out, source string, wasm bool, flags ...string) error {
	words := []string{"go", "build", "-p", "2", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, "./" + source}
	env := []string{"CGO_ENABLED=0", "GOFLAGS="}
	switch c := filepath.Ext(source) == ".c"; {
	case c && wasm:
		words = []string{"/usr/bin/clang", "--target=wasm32-wasi", "--sysroot=/usr", "-O2", "-Wall", "-Wextra", "-Werror", "-s", "-o", out, source}
		words = append(words, flags...)
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
