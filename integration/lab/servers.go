// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/wazelet/wazelet/integration/guests"
	"github.com/wazelet/wazelet/integration/lab/image"
	"github.com/wazelet/wazelet/integration/lab/parts"
)

// toolchain is what guests in C and Rust are made with: Debian's packages, by a
// file that each brings.
var toolchain = map[string]string{
	"/usr/bin/clang":               "clang",
	"/usr/bin/wasm-ld":             "lld",
	"/usr/lib/wasm32-wasi*/libc.a": "wasi-libc",
	"/usr/lib/llvm-*/lib/clang/*/lib/wasi/libclang_rt.builtins-wasm32.a": "libclang-rt-dev-wasm32",
	"/usr/bin/rustc":                "rustc",
	"/usr/lib/rustlib/wasm32-wasi*": "libstd-rust-dev-wasm32",
}

// PrepareServers makes sure that guests.Servers are built. Their compilers are
// installed only when something is to be compiled.
func PrepareServers(ctx context.Context, log io.Writer) error {
	repo, err := parts.Repo()
	if err != nil {
		return err
	}
	return guests.BuildServers(ctx, repo, guestDir(repo), func(ctx context.Context) error {
		return installToolchain(ctx, log)
	})
}

func installToolchain(ctx context.Context, log io.Writer) error {
	return installFiles(ctx, log, "compilers of C and Rust", toolchain)
}

// installFiles installs the packages of those files that are missing; patterns
// name the files.
func installFiles(ctx context.Context, log io.Writer, what string, files map[string]string) error {
	var missing []string
	for pattern, pkg := range files {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			missing = append(missing, pkg)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	start := time.Now()
	if err := installPackages(ctx, log, missing); err != nil {
		return err
	}
	fmt.Fprintf(log, "%s: installed, %s\n", what, time.Since(start).Round(time.Second/10))
	return nil
}

// PrepareModule has a module of npm's in the cache and returns its path. npm is
// installed only when it is to be fetched.
func PrepareModule(ctx context.Context, log io.Writer, module parts.Module) (string, error) {
	repo, err := parts.Repo()
	if err != nil {
		return "", err
	}
	b := parts.NewBuilder(repo, log)
	path, err := b.Fetch(ctx, module)
	if !errors.Is(err, exec.ErrNotFound) {
		return path, err
	}
	if err := installPackages(ctx, log, []string{"npm"}); err != nil {
		return "", err
	}
	return b.Fetch(ctx, module)
}

// PushServers stores each of guests.Servers in the open registry, as an image of
// files named registry.example/NAME:1.0 whose entrypoint is /NAME.wasm.
func (c *Cluster) PushServers(ctx context.Context) error {
	for _, name := range guests.Servers {
		module, err := Guest(name)
		if err != nil {
			return err
		}
		config := image.Config{Entrypoint: []string{"/" + name + ".wasm"}}
		file := image.File{Path: "/" + name + ".wasm", Content: module}
		if _, err := c.PushFiles(ctx, Registry+"/"+name+":"+GuestTag, config, file); err != nil {
			return err
		}
	}
	return nil
}
