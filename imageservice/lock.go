// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
)

// lockRoot takes the store under root for this process until the file is closed. The kernel gives it back when the
// process dies. A store that is taken is errdefs.ErrUnavailable.
func lockRoot(root string) (*os.File, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("image store: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(root, "images.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("image store: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("in use by another process: %w", errdefs.ErrUnavailable)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("image store %s: %w", root, err), f.Close())
	}
	return f, nil
}
