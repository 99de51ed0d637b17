// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
)

// In a user namespace with a single id, an image with files of many owners, devices and whiteouts is unpacked and read.
func TestPullInAUserNamespace(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", filesImage(t, nil,
		gzipLayer(t, file{name: "hello.wasm", body: string(wasm), uid: 1000, gid: 1000}, file{name: "gone", uid: 7},
			file{name: "dir/old", body: "old"}, file{name: "dev/null", kind: tar.TypeChar}),
		gzipLayer(t, file{name: ".wh.gone", uid: 1000}, file{name: "dir/.wh..wh..opq"}, file{name: "dir/new", body: "new", gid: 44,
			pax: map[string]string{"SCHILY.xattr.security.capability": "x", "SCHILY.xattr.trusted.a": "x"}})))
	for _, snapshotter := range []string{"overlay", "native"} {
		t.Run(snapshotter, func(t *testing.T) {
			cmd := child(t, "rootless", t.TempDir(), h.ref("app:1"), snapshotter)
			cmd.SysProcAttr = &syscall.SysProcAttr{
				Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
				UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}},
			}
			if err := cmd.Run(); err != nil {
				t.Error(err)
			}
		})
	}
}

// childRootless pulls args[1] into the store args[0] and checks what the test above expects.
func childRootless(args []string) int {
	if err := checkRootless(context.Background(), args[0], args[1], args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func checkRootless(ctx context.Context, root, ref, snapshotter string) (err error) {
	s, err := New(ctx, Options{Root: root, Snapshotter: snapshotter})
	if err != nil {
		return err
	}
	image, err := s.Pull(ctx, ref, nil)
	if err != nil {
		return err
	}
	f, _, err := s.OpenEntry(ctx, image)
	if err != nil {
		return err
	}
	if body, err := io.ReadAll(f); err != nil || string(body) != string(wasm) {
		return fmt.Errorf("entry = %q, %w", body, err)
	}
	mounts, err := s.PrepareRoot(ctx, "c1", image.ID)
	if err != nil {
		return err
	}
	target := root + "/merged"
	if err := os.Mkdir(target, 0o755); err != nil {
		return err
	}
	if err := mounts[0].Mount(target); err != nil {
		return err
	}
	for name, there := range map[string]bool{"hello.wasm": true, "gone": false, "dir/old": false, "dir/new": true, "dev/null": false} {
		if _, err := os.Lstat(target + "/" + name); (err == nil) != there {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := s.Remove(ctx, image.ID); err != nil {
		return err
	}
	return s.Close()
}
