// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
)

// Lock is the exclusive use of a directory. The kernel ends it with the
// process, however that ends.
type Lock struct{ file *os.File }

// Acquire locks a directory, making it if need be, for this process. The error
// is ErrFailedPrecondition, and names the holder, when another process has it.
func Acquire(dir string) (*Lock, error) {
	l, err := lock(dir, unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		holder, _ := os.ReadFile(lockFile(dir)) // only to name it; it may not have signed yet
		return nil, fmt.Errorf("%s: in use by another wazelet, process %s: %w", dir, strings.TrimSpace(string(holder)), errdefs.ErrFailedPrecondition)
	}
	return l, err
}

// Await locks a directory as Acquire does, but waits for another holder.
func Await(dir string) (*Lock, error) { return lock(dir, 0) }

// lock takes the lock, with further flags of flock(2).
func lock(dir string, flags int) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(lockFile(dir), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	l := &Lock{file: file}
	for {
		if err = unix.Flock(int(file.Fd()), unix.LOCK_EX|flags); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err == nil {
		err = l.sign()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: lock: %w", file.Name(), err), l.Release())
	}
	return l, nil
}

func lockFile(dir string) string { return filepath.Join(dir, "lock") }

// sign writes who holds the lock, for whoever finds it held.
func (l *Lock) sign() error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	return err
}

// Release gives the directory back. The file stays: removing it would let two
// processes lock two files of one name.
func (l *Lock) Release() error { return l.file.Close() }
