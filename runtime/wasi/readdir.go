// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"encoding/binary"
	"math"
	"sync"

	"golang.org/x/sys/unix"
)

// Dirent is one entry of a directory. Name is valid until the next call on the directory.
type Dirent struct {
	// Next is the cookie of the entry after this one.
	Next uint64
	Ino  uint64
	Type FileType
	Name []byte
}

// dirStream is the window of a directory read from the kernel. Cookies are the kernel's own offsets,
// so they hold as long as the directory is open, whatever is created or removed meanwhile.
type dirStream struct {
	mu     sync.Mutex
	buf    [8192]byte
	window []byte // the part of buf that holds entries
	cookie uint64 // that of the window's first entry
}

// ReadDir calls yield with the entries from a cookie on, 0 being the first, until yield returns false
// or the directory ends (fd_readdir). "." and ".." are among them where the file system has them.
func (d *Descriptor) ReadDir(cookie uint64, yield func(Dirent) bool) Errno {
	if d.kind != FileDirectory {
		return ENOTDIR
	}
	d.sys.Collect()
	s := d.stream()
	s.mu.Lock()
	defer s.mu.Unlock()
	rest, ok := s.from(cookie)
	for {
		if !ok || len(rest) == 0 {
			var errno Errno
			if rest, errno = s.fill(d.fd, cookie, ok); errno != ESUCCESS || len(rest) == 0 {
				return errno
			}
			ok = true
		}
		for len(rest) > 0 {
			e, size := parseDirent(rest)
			if size == 0 {
				return EIO
			}
			if !yield(e) {
				return ESUCCESS
			}
			cookie, rest = e.Next, rest[size:]
		}
	}
}

// stream is the directory's window, made when first needed.
func (d *Descriptor) stream() *dirStream {
	if d.dir.Load() == nil {
		d.dir.CompareAndSwap(nil, new(dirStream))
	}
	return d.dir.Load()
}

// from is the rest of the window at a cookie; false where the cookie is not in it. Cookie 0 is never
// found, so that a program that starts over sees the directory as it is now.
func (s *dirStream) from(cookie uint64) ([]byte, bool) {
	if cookie == 0 {
		return nil, false
	}
	rest := s.window
	if cookie == s.cookie && len(rest) > 0 {
		return rest, true
	}
	for len(rest) > 0 {
		e, size := parseDirent(rest)
		if size == 0 {
			return nil, false
		}
		rest = rest[size:]
		if e.Next == cookie {
			return rest, true
		}
	}
	return nil, false
}

// fill reads the next window; empty at the end. The kernel already stands there when the window
// before it was used up.
func (s *dirStream) fill(fd int, cookie uint64, there bool) ([]byte, Errno) {
	s.window = nil
	if !there {
		if cookie > math.MaxInt64 {
			return nil, EINVAL
		}
		if _, err := unix.Seek(fd, int64(cookie), unix.SEEK_SET); err != nil {
			return nil, ErrnoOf(err)
		}
	}
	n, err := unix.Getdents(fd, s.buf[:])
	if err != nil {
		return nil, ErrnoOf(err)
	}
	s.window, s.cookie = s.buf[:n], cookie
	return s.window, ESUCCESS
}

// parseDirent reads one linux_dirent64 (getdents64(2)): inode, offset, length, type, name. Size 0
// means that it is none.
func parseDirent(b []byte) (e Dirent, size int) {
	const header = 19
	if len(b) < header {
		return e, 0
	}
	size = int(binary.NativeEndian.Uint16(b[16:]))
	if size < header || size > len(b) {
		return e, 0
	}
	e = Dirent{
		Ino:  binary.NativeEndian.Uint64(b),
		Next: binary.NativeEndian.Uint64(b[8:]),
		Type: fileTypeOf(uint32(b[18]) << 12), // DT_x is S_IFx shifted
		Name: b[header:size],
	}
	for i, c := range e.Name {
		if c == 0 {
			e.Name = e.Name[:i]
			break
		}
	}
	return e, size
}
