// SPDX-License-Identifier: Apache-2.0

package archive

import (
	stdtar "archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"github.com/wazelet/wazelet/toolbox/command"
)

// maxPending bounds the links, and the directories whose times are to be set, that one archive may
// leave to be done at its end.
const maxPending = 1 << 17

// unpacker extracts an archive. Symbolic links are made when all else is: no entry can then lead
// through a link that another one has made, and out of the directory by that. Links that were there
// before are followed; they are not the archive's.
type unpacker struct {
	*archiver
	links   []*pendingLink
	pending map[string]*pendingLink // by path
	dirs    []dirTime
	base    string // the directory in force
	buf     []byte
}

type pendingLink struct{ path, target string }

type dirTime struct {
	path string
	time time.Time
}

// entries goes through an archive, and lists or extracts what is wanted of it.
func (a *archiver) entries(stream io.Reader) error {
	in, found := stdtar.NewReader(stream), make([]bool, len(a.o.operands))
	u := &unpacker{archiver: a, pending: map[string]*pendingLink{}, buf: make([]byte, 32<<10)}
	defer u.finish()
	for {
		h, err := in.Next()
		switch {
		case errors.Is(err, io.EOF):
			for i, operand := range a.o.operands {
				if !found[i] {
					a.fail("%s: Not found in archive", operand.name)
				}
			}
			return nil
		case errors.Is(err, stdtar.ErrInsecurePath): // looked at below
		case err != nil:
			return archiveError(a.ctx, err)
		}
		at, wanted := a.o.wanted(h.Name)
		if at >= 0 {
			found[at] = true
		}
		if !wanted || a.o.excludes(h.Name) || h.Typeflag == stdtar.TypeXGlobalHeader {
			continue
		}
		dir := a.o.dir
		if at >= 0 {
			dir = a.o.operands[at].dir
		}
		if err := u.entry(in, h, dir); err != nil {
			return archiveError(a.ctx, err)
		}
	}
}

// archiveError puts into words what is wrong with an archive.
func archiveError(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, stdtar.ErrHeader):
		return errors.New("this does not look like a tar archive")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("unexpected end of the archive")
	}
	return err
}

// entry lists or extracts one entry. The error ends everything; about what cannot be made there is
// only a message.
func (u *unpacker) entry(in *stdtar.Reader, h *stdtar.Header, dir string) error {
	switch {
	case u.o.mode == 't' && u.o.verbose > 0:
		u.c.Printf("%s\n", longListing(h))
		return nil
	case u.o.mode == 't':
		u.c.Printf("%s\n", quoteName(h.Name))
		return nil
	}
	name, err := u.o.target(h.Name)
	if err != nil {
		u.fail("%v", err)
		return nil
	}
	if name == "" {
		return nil
	}
	u.note(h.Name)
	if u.o.stdout {
		if h.Typeflag != stdtar.TypeReg && h.Typeflag != stdtar.TypeGNUSparse {
			return nil
		}
		_, err := io.CopyBuffer(onlyWriter{u.c.Stdout}, in, u.buf)
		return err
	}
	if u.base = dir; !path.IsAbs(name) {
		name = joinDir(dir, name)
	}
	from := &source{r: in}
	if err := u.make(from, h, u.c.Path(name)); err != nil {
		if from.err != nil || u.ctx.Err() != nil {
			return err // of the archive
		}
		u.fail("%s: %s", quoteName(h.Name), command.Reason(err))
	}
	return nil
}

// make makes the file that an entry describes.
func (u *unpacker) make(from io.Reader, h *stdtar.Header, file string) error {
	if h.Typeflag == stdtar.TypeDir {
		return u.directory(h, path.Clean(file))
	}
	file = path.Clean(file)
	switch h.Typeflag {
	case stdtar.TypeReg, stdtar.TypeGNUSparse, stdtar.TypeCont, stdtar.TypeSymlink, stdtar.TypeLink:
	case stdtar.TypeChar, stdtar.TypeBlock:
		return errors.New("a device cannot be made here")
	case stdtar.TypeFifo:
		return errors.New("a named pipe cannot be made here")
	default:
		return fmt.Errorf("an entry of unknown type '%c'", h.Typeflag)
	}
	if err := os.MkdirAll(path.Dir(file), 0o777); err != nil {
		return err
	}
	free, err := u.clear(file, h.Typeflag)
	if !free {
		return err
	}
	switch h.Typeflag {
	case stdtar.TypeSymlink:
		return u.later(file, h.Linkname)
	case stdtar.TypeLink:
		return u.hardLink(h.Linkname, file)
	}
	return u.file(from, h, file)
}

// clear makes room for a file: what has its name is removed, but no directory ever is. free: the
// name can be used.
func (u *unpacker) clear(file string, kind byte) (free bool, err error) {
	info, err := os.Lstat(file)
	there := err == nil
	if _, pending := u.pending[file]; (there || pending) && u.o.keep != 0 {
		if u.o.keep == 's' {
			return false, nil
		}
		return false, syscall.EEXIST
	}
	if there && info.IsDir() {
		return false, syscall.EISDIR
	}
	delete(u.pending, file)
	plain := there && info.Mode().IsRegular() && kind != stdtar.TypeSymlink && kind != stdtar.TypeLink
	if !there || plain && u.o.overwrite {
		return true, nil
	}
	// A file that is mounted cannot be removed, and can be written.
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) && !plain {
		return false, err
	}
	return true, nil
}

func (u *unpacker) directory(h *stdtar.Header, dir string) error {
	if err := os.MkdirAll(dir, fs.FileMode(h.Mode).Perm()|0o700); err != nil {
		return err
	}
	delete(u.pending, dir)
	if !u.o.noTimes && len(u.dirs) < maxPending {
		u.dirs = append(u.dirs, dirTime{dir, h.ModTime})
	}
	return nil
}

func (u *unpacker) file(from io.Reader, h *stdtar.Header, file string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fs.FileMode(h.Mode).Perm())
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(onlyWriter{f}, from, u.buf)
	if err = errors.Join(err, f.Close()); err == nil && !u.o.noTimes {
		setTime(file, h.ModTime)
	}
	return err
}

// setTime sets when a file was last changed, where that can be done: its content is what counts.
func setTime(file string, when time.Time) { _ = os.Chtimes(file, when, when) }

// later remembers a symbolic link.
func (u *unpacker) later(file, target string) error {
	if len(u.links) == maxPending {
		return fmt.Errorf("more than %d symbolic links", maxPending)
	}
	link := &pendingLink{file, target}
	u.links, u.pending[file] = append(u.links, link), link
	return nil
}

// hardLink gives a file of the archive a second name. The first is a name in the archive, as the
// entry's own is.
func (u *unpacker) hardLink(name, file string) error {
	old, err := u.o.target(name)
	switch {
	case err != nil:
		return err
	case old == "" || old == ".":
		return fmt.Errorf("a link to '%s'", quoteName(name))
	case !path.IsAbs(old):
		old = joinDir(u.base, old)
	}
	old = path.Clean(u.c.Path(old))
	if link := u.pending[old]; link != nil {
		return u.later(file, link.target)
	}
	return os.Link(old, file)
}

// finish makes the links and sets the times of the directories.
func (u *unpacker) finish() {
	for _, d := range u.dirs {
		setTime(d.path, d.time)
	}
	for _, link := range u.links {
		if u.pending[link.path] != link {
			continue // replaced
		}
		parent, err := os.Stat(path.Dir(link.path))
		if err == nil {
			err = os.Symlink(link.target, link.path)
		}
		if err != nil {
			u.fail("%s: %s", quoteName(link.path), command.Reason(err))
		} else if !u.o.noTimes {
			setTime(path.Dir(link.path), parent.ModTime())
		}
	}
}
