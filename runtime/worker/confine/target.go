// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"errors"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links one path may lead through, as for the
// kernel (path_resolution(7)).
const maxLinks = 40

// tree is a directory tree that paths are resolved in as if it were the whole
// file system: "..", absolute paths and symbolic links end at its top.
// Whatever an image plants, nothing outside is named.
type tree struct {
	fd int // of the top, O_PATH
}

// open returns an O_PATH descriptor of name, following links.
func (t tree) open(name string) (int, error) {
	return t.openHow(name, unix.O_PATH)
}

func (t tree) openHow(name string, flags uint64) (int, error) {
	how := unix.OpenHow{
		Flags:   flags | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	for tries := 0; ; tries++ {
		fd, err := unix.Openat2(t.fd, name, &how)
		// EAGAIN: a rename somewhere raced with "..". Volumes shared with a
		// running container can do that, but not for ever.
		if (err == unix.EAGAIN || err == unix.EINTR) && tries < 128 {
			continue
		}
		return fd, err
	}
}

// ensure returns an O_PATH descriptor of name and makes what is missing: a
// directory or an empty file, and the directories above it.
func (t tree) ensure(name string, dir bool) (int, error) {
	return t.ensureLinks(path.Clean("/"+name), dir, maxLinks)
}

func (t tree) ensureLinks(name string, dir bool, links int) (int, error) {
	fd, err := t.open(name)
	if !errors.Is(err, unix.ENOENT) {
		return fd, err
	}
	above, base := splitPath(name)
	parent, err := t.ensureLinks(above, true, links)
	if err != nil {
		return -1, err
	}
	defer unix.Close(parent)
	err = makeAt(parent, base, dir)
	if err == nil {
		return unix.Openat(parent, base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	}
	if !errors.Is(err, unix.EEXIST) {
		return -1, err
	}
	// It exists and still cannot be opened: a link to nothing, whose target
	// is to be made.
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(parent, base, buf)
	if errors.Is(err, unix.EINVAL) { // not a link: it was made meanwhile
		return t.open(name)
	}
	if err != nil {
		return -1, err
	}
	if links == 0 {
		return -1, unix.ELOOP
	}
	link := string(buf[:n])
	if !strings.HasPrefix(link, "/") {
		link = above + "/" + link
	}
	return t.ensureLinks(link, dir, links-1)
}

func makeAt(parent int, base string, dir bool) error {
	if dir {
		return unix.Mkdirat(parent, base, 0o755)
	}
	fd, err := unix.Openat(parent, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// splitPath cuts the last name off, without tidying what is before it: a ".."
// there has its meaning only once links are followed.
func splitPath(name string) (above, base string) {
	name = strings.TrimRight(name, "/")
	i := strings.LastIndexByte(name, '/')
	above, base = name[:i+1], name[i+1:]
	if above == "" {
		above = "/"
	}
	return above, base
}

func isDir(fd int) (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, err
	}
	return st.Mode&unix.S_IFMT == unix.S_IFDIR, nil
}
