// SPDX-License-Identifier: Apache-2.0

package launch_test

import (
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// deviceNode makes a node of a device of the test's own.
func deviceNode(t *testing.T, mode uint32, uid int, minor uint32) string {
	t.Helper()
	path := t.TempDir() + "/node"
	if err := unix.Mknod(path, unix.S_IFCHR|mode, int(unix.Mkdev(1, minor))); err != nil {
		t.Fatal(err)
	}
	if err := unix.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	if err := unix.Chown(path, uid, uid); err != nil {
		t.Fatal(err)
	}
	return path
}

func deviceAt(source, destination, access string) spec.Mount {
	return spec.Mount{Type: spec.MountDevice, Source: source, Destination: destination, Access: access}
}

// TestDevices gives a container device nodes, for reading, for writing and for
// both, wherever they are to be; root of the container is no exception.
func TestDevices(t *testing.T) {
	const zero, full = 5, 7
	for name, uid := range map[string]uint32{"root": 0, "owner": 1234} {
		t.Run(name, func(t *testing.T) {
			c := define(t, guestPath, "head,/dev/both", "write,/dev/both,x", "head,/dev/dir/in", "write,/dev/dir/in,x", "head,/out", "write,/out,x",
				"head,/dev/mine", "head,/dev/theirs", "write,/dev/null,x")
			c.overlay(files(t, map[string]string{"etc/": ""}))
			c.options.Spec.UID, c.options.Spec.GID = uid, uid
			for _, m := range []spec.Mount{
				deviceAt(deviceNode(t, 0o666, 0, full), "/dev/both", "rw"),
				deviceAt(deviceNode(t, 0o666, int(uid), zero), "/dev/dir/in", "r"),
				deviceAt(deviceNode(t, 0o666, int(uid), full), "/out", "w"),
				deviceAt(deviceNode(t, 0o600, int(uid), zero), "/dev/mine", "rw"),
				deviceAt(deviceNode(t, 0o600, 99, zero), "/dev/theirs", "rw"),
			} {
				c.mount(m)
			}
			c.output("head,/dev/both: 00000000", "write,/dev/both,x: write /dev/both: No space left on device",
				"head,/dev/dir/in: 00000000", "write,/dev/dir/in,x: open /dev/dir/in: Permission denied",
				"head,/out: open /out: Permission denied", "write,/out,x: write /out: No space left on device",
				"head,/dev/mine: 00000000", "head,/dev/theirs: open /dev/theirs: Permission denied", "write,/dev/null,x: ok")
		})
	}
}

func TestRefusedDevices(t *testing.T) {
	for name, c := range map[string]struct {
		source string
		class  func(error) bool
		want   string
	}{
		"absent":   {"/dev/no/such", errdefs.IsNotFound, "mount /dev/x: device /dev/no/such does not exist"},
		"a file":   {"/etc/passwd", errdefs.IsInvalidArgument, "mount /dev/x: /etc/passwd is no device"},
		"a folder": {"/dev", errdefs.IsInvalidArgument, "mount /dev/x: /dev is no device"},
	} {
		t.Run(name, func(t *testing.T) {
			k := define(t, guestPath)
			k.mount(deviceAt(c.source, "/dev/x", "rw"))
			if err := k.launch(t.Context()); !c.class(err) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}
