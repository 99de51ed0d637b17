// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/wazelet/wazelet/integration/lab/parts"
)

// busyboxPackage is Debian's, whose only program needs no library.
const busyboxPackage = "busybox-static"

// Busybox returns a static busybox for native images, and the names of its commands.
// It is of Debian's package, which is fetched the first time, kept with the other
// parts, and not installed.
func Busybox(ctx context.Context, log io.Writer) (program []byte, commands []string, err error) {
	repo, err := parts.Repo()
	if err != nil {
		return nil, nil, err
	}
	dir := filepath.Join(parts.Cache(repo), "native")
	file := filepath.Join(dir, "busybox")
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(log, "fetch %s\n", busyboxPackage)
		err = fetchBusybox(ctx, dir, file)
		if err != nil {
			return nil, nil, err
		}
	}
	if program, err = os.ReadFile(file); err != nil {
		return nil, nil, err
	}
	list, err := exec.CommandContext(ctx, file, "--list").Output()
	if err != nil {
		return nil, nil, fmt.Errorf("%s --list: %w", file, err)
	}
	return program, strings.Fields(string(list)), nil
}

func fetchBusybox(ctx context.Context, dir, file string) (err error) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("put a static busybox at %s, then try again", file)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// One of its own: another process may do the same.
	tmp, err := os.MkdirTemp(dir, "fetch-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	if err := runIn(ctx, "/", "apt-get", "update", "--quiet"); err != nil {
		return err
	}
	if err := runIn(ctx, tmp, "apt-get", "download", busyboxPackage); err != nil {
		return err
	}
	archives, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil || len(archives) != 1 {
		return fmt.Errorf("package %s: downloaded as %q: %w", busyboxPackage, archives, err)
	}
	if err := runIn(ctx, tmp, "dpkg-deb", "--extract", archives[0], "."); err != nil {
		return err
	}
	return os.Rename(filepath.Join(tmp, "bin", "busybox"), file)
}
