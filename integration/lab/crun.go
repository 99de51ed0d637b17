// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/wazelet/wazelet/integration/lab/parts"
)

// WasmVariant is the annotation of a container by which crun is told that its
// program is a module; containerd hands it on.
const WasmVariant = "module.wasm.image/variant"

// PrepareCrun makes sure of a crun that runs modules by WasmEdge, and returns what
// to give to Options as Crun, and the versions of both.
func PrepareCrun(ctx context.Context, log io.Writer) (program, version string, err error) {
	repo, err := parts.Repo()
	if err != nil {
		return "", "", err
	}
	dir, err := parts.NewBuilder(repo, log).Unpack(ctx, parts.WasmEdge())
	if err != nil {
		return "", "", err
	}
	// It needs another C library than the machine's.
	loader, libraries := parts.Loader(dir)
	program = filepath.Join(dir, "crun")
	script := fmt.Sprintf("#!/bin/sh\nexec %q --library-path %q %q \"$@\"\n", loader, libraries, filepath.Join(dir, "usr/bin/crun"))
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		return "", "", err
	}
	crun, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return "", "", fmt.Errorf("crun --version: %w", err)
	}
	if !strings.Contains(string(crun), "+WASM:wasmedge") {
		return "", "", fmt.Errorf("crun runs no modules by WasmEdge, it says\n%s", crun)
	}
	words := parts.Tool(dir, "usr/bin/wasmedge", "--version")
	wasmedge, err := exec.CommandContext(ctx, words[0], words[1:]...).Output()
	if err != nil {
		return "", "", fmt.Errorf("wasmedge --version: %w", err)
	}
	return program, "crun " + firstVersion(crun) + " + WasmEdge " + firstVersion(wasmedge), nil
}

// firstVersion is the word after "version" in the first line.
func firstVersion(text []byte) string {
	line, _, _ := strings.Cut(string(text), "\n")
	_, version, _ := strings.Cut(line, "version ")
	return strings.TrimSpace(version)
}

// withoutHybrid is the command with the mount of cgroup v2 out of its view where the
// controllers are v1's: crun refuses a machine that has both. All else that is mounted
// in the laboratory it sees.
func withoutHybrid(command ...string) []string {
	const script = `mountpoint -q /sys/fs/cgroup/unified && umount /sys/fs/cgroup/unified; exec "$@"`
	return append([]string{"unshare", "--mount", "--propagation", "slave", "sh", "-c", script, "sh"}, command...)
}
