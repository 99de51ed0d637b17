// SPDX-License-Identifier: Apache-2.0

package wasitest

import (
	"errors"
	goruntime "runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// InRoot calls do on a thread of its own whose root directory is dir, with procfs mounted on dir/proc
// and dir/ro a read-only tmpfs, in a mount namespace of its own: what a worker's guest sees. It needs
// root.
func InRoot(t *testing.T, dir string, do func()) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		defer close(done) // also when do ends the goroutine with Fatal
		// Never unlocked: the thread, and the namespace with it, ends with this goroutine.
		goruntime.LockOSThread()
		if err := enterRoot(dir); err != nil {
			done <- err
			return
		}
		do()
	}()
	check(t, <-done)
}

func enterRoot(dir string) error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return err
	}
	return errors.Join(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		ignoreExist(unix.Mkdir(dir+"/proc", 0o755)),
		ignoreExist(unix.Mkdir(dir+"/ro", 0o755)),
		unix.Mount("proc", dir+"/proc", "proc", 0, ""),
		unix.Mount("tmpfs", dir+"/ro", "tmpfs", 0, ""),
		unix.Symlink("there", dir+"/ro/link"),
		unix.Mkdir(dir+"/ro/d", 0o755),
		unix.Mknod(dir+"/ro/f", unix.S_IFREG|0o644, 0),
		unix.Mount("", dir+"/ro", "", unix.MS_REMOUNT|unix.MS_RDONLY, ""),
		unix.Chroot(dir),
		unix.Chdir("/"),
	)
}

func ignoreExist(err error) error {
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}
