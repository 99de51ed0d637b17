// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// maxSocketPath is the longest path of a unix socket the kernel takes
// (unix(7), sun_path with its final zero).
const maxSocketPath = 107

// Listen makes the socket at path, for root only, and listens. The path may be
// longer than the kernel's limit. Closing the listener leaves the file: the
// worker that inherits the socket goes on using it.
func Listen(path string) (*net.UnixListener, error) {
	addr, release, err := address(path)
	if err != nil {
		return nil, err
	}
	defer release()
	l, err := net.ListenUnix("unix", addr)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// address names the socket at path. A path that is too long is reached
// through a descriptor of its directory, which release closes.
func address(path string) (addr *net.UnixAddr, release func(), err error) {
	if len(path) <= maxSocketPath {
		return &net.UnixAddr{Name: path, Net: "unix"}, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, nil, err
	}
	name := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	return &net.UnixAddr{Name: name, Net: "unix"}, func() { dir.Close() }, nil
}
