// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// settled is how long ago a file must have been changed for its digest to be kept: a
// write within one tick of the kernel's clock leaves no trace.
const settled = 2 * time.Second

// mostDigests bounds how many digests are kept.
const mostDigests = 4096

// digests keeps the digests of modules that were read, so that a start need not read
// megabytes to find out which module it is. The zero value is empty.
type digests struct {
	mu    sync.Mutex
	known map[fileID]string
}

// fileID tells a file, with what is in it, from all others (stat(2)): whoever writes to
// a file changes its ctime. Not even by a mapping can another module be run under a kept
// digest: what the digest is used for is to find the code that was compiled of what was
// read.
type fileID struct {
	device, inode  uint64
	size           int64
	written, touch unix.Timespec
}

// idOf returns a file's id; old says that it was not changed just before now.
func idOf(file *os.File, now time.Time) (id fileID, old bool, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return id, false, err
	}
	id = fileID{st.Dev, st.Ino, st.Size, st.Mtim, st.Ctim}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(file.Fd()), &fs); err != nil {
		return id, false, err
	}
	if fs.Type == unix.OVERLAYFS_SUPER_MAGIC {
		id.device = 0 // each mount has its own; the inode is that of the layer's file
	}
	return id, now.Sub(time.Unix(st.Ctim.Unix())) > settled, nil
}

// of returns a module's digest, "sha256:…".
func (d *digests) of(module *os.File) (string, error) { return d.at(module, time.Now()) }

func (d *digests) at(module *os.File, now time.Time) (string, error) {
	id, old, err := idOf(module, now)
	if err != nil || !old {
		return digestOf(module)
	}
	d.mu.Lock()
	digest, ok := d.known[id]
	d.mu.Unlock()
	if ok {
		return digest, nil
	}
	if digest, err = digestOf(module); err != nil {
		return "", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) >= mostDigests {
		d.known = map[fileID]string{} // what is in use is soon there again
	}
	d.known[id] = digest
	return digest, nil
}
