// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wazelet/wazelet/integration/lab/parts"
)

// Where things lie in the machine.
const (
	// Wazelet is the daemon; its worker lies beside it.
	Wazelet = "/wazelet/wazelet"

	tools      = "/tools"
	testBinary = "/test"
	plan       = "/plan.json"
	modules    = "/modules"
)

// orders are what the machine's first process runs.
type orders struct {
	Args, Env []string
}

// kernelModules are what Debian's kernel lacks until they are loaded.
var kernelModules = []string{"kernel/drivers/block/virtio_blk.ko.xz", "kernel/fs/overlayfs/overlay.ko.xz"}

// build makes the files of a machine in a folder.
type build struct {
	machine               Machine
	repo, debian, scratch string
}

func (b *build) path(name string) string { return filepath.Join(b.scratch, name) }

// make makes the disk, with everything the tests need, and the initial file
// system, from which the first process mounts it.
func (b *build) make(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := b.disk(ctx, self); err != nil {
		return err
	}
	return b.initrd(self)
}

// diskSize is sparse: what nobody writes takes no space.
const diskSize = "2G"

func (b *build) disk(ctx context.Context, self string) error {
	root := b.path("root")
	for _, dir := range []string{"dev", "etc", "proc", "sys", "run", "tmp", "var/log/pods", "wazelet", tools} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	o := orders{Args: slices.DeleteFunc(slices.Clone(os.Args[1:]), staysOutside), Env: []string{inside + "=1", "PATH=" + tools, "HOME=/", "TMPDIR=/tmp"}}
	raw, err := json.Marshal(o)
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		plan:              raw,
		"etc/passwd":      []byte("root:x:0:0:root:/:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
		"etc/group":       []byte("root:x:0:\nnogroup:x:65534:\n"),
		"etc/hosts":       []byte("127.0.0.1 localhost\n"),
		"etc/resolv.conf": nil,
	} {
		if err := os.WriteFile(filepath.Join(root, name), content, 0o644); err != nil {
			return err
		}
	}
	copies := map[string]string{
		self:                                    testBinary,
		filepath.Join(b.repo, "bin", "wazelet"): Wazelet,
		filepath.Join(b.repo, "bin", "wazelet-worker"):      Wazelet + "-worker",
		filepath.Join(b.repo, "bin", "wazelet-worker-http"): Wazelet + "-worker-http",
	}
	for from, to := range copies {
		if err := copyFile(from, filepath.Join(root, to)); err != nil {
			return err
		}
	}
	for _, tool := range b.machine.Tools {
		if err := b.tool(ctx, root, tool); err != nil {
			return fmt.Errorf("%s: %w", tool, err)
		}
	}
	return command(ctx, "mke2fs", "-q", "-t", "ext4", "-E", "root_owner=0:0", "-d", root, b.path("disk"), diskSize)
}

// staysOutside says which arguments of the test binary name files of this
// machine.
func staysOutside(arg string) bool {
	for _, flag := range []string{"testlogfile", "outputdir", "coverprofile", "gocoverdir", "fuzzcachedir"} {
		if strings.HasPrefix(arg, "-test."+flag+"=") {
			return true
		}
	}
	return false
}

// tool copies a program of Debian's and the libraries it needs, all into the
// tests' PATH, and its dynamic linker to where the program looks for it.
func (b *build) tool(ctx context.Context, root, name string) error {
	loader, libraries := parts.Loader(b.debian)
	out, err := exec.CommandContext(ctx, loader, "--library-path", libraries, "--list", filepath.Join(b.debian, name)).Output()
	if err != nil {
		return err
	}
	copies := map[string]string{
		filepath.Join(b.debian, name): filepath.Join(tools, filepath.Base(name)),
		loader:                        filepath.Join("/lib64", filepath.Base(loader)),
	}
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[1] == "=>" && strings.HasPrefix(fields[2], libraries) {
			copies[fields[2]] = filepath.Join("/usr/lib", fields[0])
		}
	}
	for from, to := range copies {
		to = filepath.Join(root, to)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), copyFile(from, to)); err != nil {
			return err
		}
	}
	return nil
}

// initrd packs the first process and the modules it loads.
func (b *build) initrd(self string) error {
	var files archive
	for _, dir := range []string{"dev", "new", "proc", "modules"} {
		files.folder(dir)
	}
	// What a program is born with, before anything is mounted.
	files.device("dev/console", 5, 1)
	files.device("dev/null", 1, 3)
	for i, name := range kernelModules {
		found, err := parts.Find(b.debian, filepath.Join("usr/lib/modules/*", name))
		if err != nil {
			return err
		}
		if err := files.file(fmt.Sprintf("%s/%d-%s", modules[1:], i, filepath.Base(name)), found); err != nil {
			return err
		}
	}
	if err := files.file("init", self); err != nil {
		return err
	}
	return os.WriteFile(b.path("initrd"), files.bytes(), 0o644)
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, info.Mode()&fs.ModePerm|0o555)
}

func command(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, bytes.TrimSpace(out))
	}
	return nil
}
