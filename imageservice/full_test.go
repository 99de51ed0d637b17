// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
)

// A full disk is told as such, whether a blob or an unpacked layer fills it, and what was written is given back.
func TestFullDisk(t *testing.T) {
	h := newHub(t)
	h.push(t, "blob:1", filesImage(t, nil, gzipLayer(t, file{name: "a", body: noise(16 << 20)})))
	h.push(t, "layer:1", filesImage(t, nil, gzipLayer(t, file{name: "a", body: strings.Repeat("a", 16<<20)})))
	h.push(t, "small:1", helloImage(t, "hi"))
	cmd := child(t, "full", t.TempDir(), h.host)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
}

// childFull pulls from the hub args[1] into a file system of 8 MiB on args[0].
func childFull(args []string) int {
	if err := checkFull(context.Background(), args[0], args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func checkFull(ctx context.Context, root, host string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "size=8m"); err != nil {
		return err
	}
	s, err := New(ctx, Options{Root: root})
	if err != nil {
		return err
	}
	for _, image := range []string{"blob:1", "layer:1"} {
		_, err = s.Pull(ctx, host+"/"+image, nil)
		if !errdefs.IsResourceExhausted(err) || !strings.Contains(err.Error(), "no space left on the image file system ("+root+")") {
			return fmt.Errorf("%s: error = %w", image, err)
		}
		left, err := filepath.Glob(filepath.Join(root, "content", "*", "sha256", "*"))
		if err != nil || len(left) != 0 {
			return fmt.Errorf("%s: left %v, %w", image, left, err)
		}
	}
	if _, err := s.Pull(ctx, host+"/small:1", nil); err != nil {
		return fmt.Errorf("after the full disk: %w", err)
	}
	return s.Close()
}
