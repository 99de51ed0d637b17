// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/wazelet/wazelet/integration/lab/parts"
	"github.com/wazelet/wazelet/integration/podbench/result"
)

// wasmedge makes a side of Debian's WasmEdge, and compiles the programs for it ahead
// of time; otherwise it would interpret them.
func wasmedge(ctx context.Context, programs []program) (side, error) {
	repo, err := parts.Repo()
	if err != nil {
		return side{}, err
	}
	dir, err := parts.NewBuilder(repo, os.Stderr).Unpack(ctx, parts.WasmEdge())
	if err != nil {
		return side{}, err
	}
	tool := func(args ...string) []string { return parts.Tool(dir, "usr/bin/wasmedge", args...) }
	version := tool("--version")
	said, err := exec.CommandContext(ctx, version[0], version[1:]...).Output()
	if err != nil {
		return side{}, fmt.Errorf("wasmedge --version: %w", err)
	}
	_, number, _ := strings.Cut(strings.SplitN(string(said), "\n", 2)[0], "version ")
	code := func(p program) string { return p.wasm + ".wasmedge" }
	for _, p := range programs {
		if _, err := os.Stat(code(p)); err == nil {
			continue
		}
		fmt.Fprintf(os.Stderr, "compute: WasmEdge compiles %s\n", p.name)
		if err := command(ctx, repo, nil, tool("compile", p.wasm, code(p))...); err != nil {
			return side{}, err
		}
	}
	return side{
		Side: result.Side{Name: "wasmedge", Version: "WasmEdge " + number},
		command: func(p program, args []string) *exec.Cmd {
			words := tool(append([]string{code(p)}, args...)...)
			return exec.Command(words[0], words[1:]...)
		},
	}, nil
}
