// SPDX-License-Identifier: Apache-2.0

package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/wazelet/wazelet/toolbox/command"
)

// copier is one run of cp or mv.
type copier struct {
	c         *command.Call
	recursive bool
	preserve  bool
	follow    bool
	force     bool
	noClobber bool
	code      int
}

func copyFiles(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("r|recursive R a|archive p d f|force n|no-clobber L P H v T i")
	if err == nil && len(names) < 2 {
		err = errors.New("what is to be copied, and to where?")
	}
	if err != nil {
		return c.Usage(err)
	}
	recursive := o.Has("r") || o.Has("R") || o.Has("a")
	k := &copier{
		c: c, recursive: recursive, preserve: o.Has("a") || o.Has("p"), force: o.Has("f"), noClobber: o.Has("n"),
		follow: o.Has("L") || !recursive && !o.Has("P") && !o.Has("d"),
	}
	return k.each(names, o.Has("T"), k.copy)
}

// each calls do with each source and where it goes to.
func (k *copier) each(names []string, exact bool, do func(name, from, to string) error) int {
	dir := names[len(names)-1]
	info, err := os.Stat(k.c.Path(dir))
	into := err == nil && info.IsDir() && !exact
	if len(names) > 2 && !into {
		return k.c.Problem(dir, syscall.ENOTDIR)
	}
	for _, name := range names[:len(names)-1] {
		to := k.c.Path(dir)
		if into {
			to = filepath.Join(to, path.Base(name))
		}
		if err := do(name, k.c.Path(name), to); err != nil {
			k.code = k.c.Problem(name, err)
		}
	}
	return k.code
}

func (k *copier) copy(name, from, to string) error {
	look := os.Lstat
	if k.follow {
		look = os.Stat
	}
	info, err := look(from)
	if err != nil {
		return err
	}
	if followed, err := os.Stat(to); err == nil && os.SameFile(info, followed) {
		return fmt.Errorf("is the same file as %s", to)
	}
	if there, err := os.Lstat(to); err == nil && k.noClobber && !there.IsDir() {
		return nil
	}
	return k.place(name, from, to, info)
}

// place makes the copy.
func (k *copier) place(name, from, to string, info fs.FileInfo) (err error) {
	switch {
	case info.IsDir() && !k.recursive:
		return errors.New("is a directory; -r copies those")
	case info.IsDir():
		err = k.directory(name, from, to)
	case info.Mode()&fs.ModeSymlink != 0:
		err = k.symlink(from, to)
	case info.Mode().IsRegular() || k.follow:
		err = k.regular(from, to)
	default:
		return fmt.Errorf("is a %s", kinds[kindOf(info)])
	}
	if err == nil && k.preserve && info.Mode()&fs.ModeSymlink == 0 {
		err = os.Chtimes(to, info.ModTime(), info.ModTime())
	}
	return err
}

func (k *copier) directory(name, from, to string) error {
	if to == from || strings.HasPrefix(to, strings.TrimSuffix(from, "/")+"/") {
		return errors.New("cannot be copied into itself")
	}
	if err := os.Mkdir(to, 0o777); err != nil {
		if info, serr := os.Stat(to); serr != nil || !info.IsDir() {
			return err
		}
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := k.copy(path.Join(name, e.Name()), filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			k.code = k.c.Problem(path.Join(name, e.Name()), err)
		}
	}
	return nil
}

func (k *copier) symlink(from, to string) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	err = os.Symlink(target, to)
	if errors.Is(err, fs.ErrExist) {
		if err = os.Remove(to); err == nil {
			err = os.Symlink(target, to)
		}
	}
	return err
}

func (k *copier) regular(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil && k.force {
		if os.Remove(to) == nil {
			out, err = os.Create(to)
		}
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// move renames; to another file system, it copies and removes.
func move(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("f|force n|no-clobber i v T")
	if err == nil && len(names) < 2 {
		err = errors.New("what is to be moved, and to where?")
	}
	if err != nil {
		return c.Usage(err)
	}
	k := &copier{c: c, recursive: true, preserve: true, force: true}
	return k.each(names, o.Has("T"), func(name, from, to string) error {
		if _, err := os.Lstat(to); o.Has("n") && err == nil {
			return nil
		}
		err := os.Rename(from, to)
		if !errors.Is(err, syscall.EXDEV) {
			return err
		}
		before := k.code
		if err := k.copy(name, from, to); err != nil || k.code != before {
			return err
		}
		return os.RemoveAll(from)
	})
}
