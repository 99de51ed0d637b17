// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links one path may lead through, as in the kernel.
const maxLinks = 40

// Tree shows the files of an unpacked image without mounting it: it looks names up in the layers as overlayfs would.
// Unpacked layers never change, so no step of a walk can be raced.
type Tree struct{ layers []string } // directories, the uppermost first

// Tree returns the files of chain; the empty chain has none.
func (s *Store) Tree(ctx context.Context, chain digest.Digest) (Tree, error) {
	var t Tree
	for name := chain.String(); name != ""; {
		info, err := s.sn.Stat(ctx, name)
		if err != nil {
			return Tree{}, fmt.Errorf("files of %s: %w", chain, err)
		}
		t.layers = append(t.layers, filepath.Join(s.dir, info.Labels[labelDir]))
		if s.name == Native {
			break // each layer is a full copy
		}
		name = info.Parent
	}
	return t, nil
}

// node is a directory of the merged tree: the layers' directories that make it up, the uppermost first.
type node []string

// Open opens a regular file for reading. The name is resolved inside the tree: "..", absolute names and links lead no
// further up than its root. It returns the file and its name after all links. The error is a *fs.PathError with
// unix.ENOENT (fs.ErrNotExist), unix.ENOTDIR, unix.ELOOP or unix.EISDIR (also for what is neither file nor directory: unix.EINVAL).
func (t Tree) Open(name string) (*os.File, string, error) {
	at, err := t.resolve(name)
	if err != nil {
		return nil, "", &fs.PathError{Op: "open", Path: name, Err: err}
	}
	if at.kind != unix.S_IFREG {
		return nil, "", &fs.PathError{Op: "open", Path: name, Err: notFile(at.kind)}
	}
	fd, err := unix.Open(at.host, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, "", &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), at.host), at.name, nil
}

func notFile(kind uint32) error {
	if kind == unix.S_IFDIR {
		return unix.EISDIR
	}
	return unix.EINVAL
}

// place is what a name leads to.
type place struct {
	name string // in the tree, absolute
	host string // path of the file, for all but directories
	kind uint32 // unix.S_IFMT part of its mode
}

// resolve follows name from the root, component by component.
func (t Tree) resolve(name string) (place, error) {
	var (
		stack = []node{t.layers} // the directories from the root to here
		names = []string{"/"}
		todo  = split(name)
		links = 0
	)
	for len(todo) > 0 {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if len(stack) > 1 {
				stack, names = stack[:len(stack)-1], names[:len(names)-1]
			}
			continue
		}
		found, err := stack[len(stack)-1].lookup(part)
		if err != nil {
			return place{}, err
		}
		switch found.kind {
		case unix.S_IFDIR:
			stack, names = append(stack, found.dirs), append(names, part)
		case unix.S_IFLNK:
			if links++; links > maxLinks {
				return place{}, unix.ELOOP
			}
			target, err := os.Readlink(found.host)
			if err != nil {
				return place{}, err
			}
			if path.IsAbs(target) {
				stack, names = stack[:1], names[:1]
			}
			todo = append(split(target), todo...)
		default:
			if len(todo) > 0 {
				return place{}, unix.ENOTDIR
			}
			return place{name: path.Join(append(names, part)...), host: found.host, kind: found.kind}, nil
		}
	}
	return place{name: path.Join(names...), kind: unix.S_IFDIR}, nil
}

// split returns the components of a name. A trailing slash stays as an empty component: it asks for a directory.
func split(name string) []string { return strings.Split(name, "/") }

// entry is what a directory has under one name.
type entry struct {
	kind uint32
	host string // unless a directory
	dirs node   // if a directory
}

// lookup finds a name in a merged directory: the uppermost layer that has it decides, directories are merged with the
// directories of that name below, down to one that is opaque or to something that hides them.
func (n node) lookup(part string) (entry, error) {
	var dirs node
	for _, dir := range n {
		host := filepath.Join(dir, part)
		var st unix.Stat_t
		err := unix.Lstat(host, &st)
		if err == unix.ENOENT {
			continue
		}
		if err != nil {
			return entry{}, err
		}
		kind := st.Mode & unix.S_IFMT
		switch {
		case kind == unix.S_IFDIR:
			dirs = append(dirs, host)
			if isOpaque(host) {
				return entry{kind: kind, dirs: dirs}, nil
			}
			continue
		case dirs != nil:
			return entry{kind: unix.S_IFDIR, dirs: dirs}, nil
		case isWhiteout(&st):
			return entry{}, unix.ENOENT
		}
		return entry{kind: kind, host: host}, nil
	}
	if dirs == nil {
		return entry{}, unix.ENOENT
	}
	return entry{kind: unix.S_IFDIR, dirs: dirs}, nil
}
