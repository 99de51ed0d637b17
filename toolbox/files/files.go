// SPDX-License-Identifier: Apache-2.0

// Package files has the commands for files and directories.
package files

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/wazelet/wazelet/toolbox/command"
)

// Commands are the commands of this package.
func Commands() map[string]command.Func {
	attributes := command.Refuse("WASI has no call for it: a file's mode and owner are those it was made with")
	return map[string]command.Func{
		"ls": list, "find": find, "du": usage, "stat": stat, "touch": touch, "mkdir": mkdir, "rmdir": rmdir,
		"rm": remove, "cp": copyFiles, "mv": move, "ln": link, "unlink": unlink, "truncate": truncate,
		"readlink": readlink, "realpath": realpath, "basename": basename, "dirname": dirname, "pwd": pwd,
		"mktemp": mktemp, "dd": dd, "sync": syncFiles,
		"chmod": attributes, "chown": attributes, "chgrp": attributes,
	}
}

// operands complains where there is nothing to do.
func operands(names []string, err error) error {
	if err == nil && len(names) == 0 {
		return errors.New("which file?")
	}
	return err
}

func touch(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("a m c d: r: t:")
	if err = operands(names, err); err == nil && o.Has("t") {
		err = errors.New("-t is not supported; use -d")
	}
	if err != nil {
		return c.Usage(err)
	}
	when, err := touchTime(c, o)
	if err != nil {
		return c.Usage(err)
	}
	code := 0
	for _, name := range names {
		file := c.Path(name)
		err := os.Chtimes(file, when, when)
		if errors.Is(err, fs.ErrNotExist) && o.Has("c") {
			continue
		}
		if errors.Is(err, fs.ErrNotExist) {
			var f *os.File
			if f, err = os.OpenFile(file, os.O_WRONLY|os.O_CREATE, 0o666); err == nil {
				err = f.Close()
			}
			if err == nil && (o.Has("d") || o.Has("r")) {
				err = os.Chtimes(file, when, when)
			}
		}
		if err != nil {
			code = c.Problem(name, err)
		}
	}
	return code
}

func mkdir(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("p|parents m: v")
	if err = operands(names, err); err != nil {
		return c.Usage(err)
	}
	make, code := os.Mkdir, 0
	if o.Has("p") {
		make = os.MkdirAll
	}
	for _, name := range names {
		if err := make(c.Path(name), 0o777); err != nil {
			code = c.Problem(name, err)
		}
	}
	return code
}

func rmdir(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("p")
	if err = operands(names, err); err != nil {
		return c.Usage(err)
	}
	code := 0
	for _, name := range names {
		for {
			// os.Remove would remove a file too.
			if err := syscall.Rmdir(c.Path(name)); err != nil {
				code = c.Problem(name, err)
				break
			}
			if name = path.Dir(path.Clean(name)); !o.Has("p") || name == "." || name == "/" {
				break
			}
		}
	}
	return code
}

func remove(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("r|recursive R f|force i v")
	if err == nil && !o.Has("f") {
		err = operands(names, err)
	}
	if err != nil {
		return c.Usage(err)
	}
	recursive, code := o.Has("r") || o.Has("R"), 0
	for _, name := range names {
		file := c.Path(name)
		if base := path.Base(name); base == "." || base == ".." || path.Clean(file) == "/" {
			code = c.Errorf("%s: refused: it is the root, or where you are", name)
			continue
		}
		info, err := os.Lstat(file)
		switch {
		case errors.Is(err, fs.ErrNotExist) && o.Has("f"):
			continue
		case err != nil:
		case info.IsDir() && !recursive:
			err = syscall.EISDIR
		case recursive:
			err = os.RemoveAll(file)
		default:
			err = os.Remove(file)
		}
		if err != nil {
			code = c.Problem(name, err)
		}
	}
	return code
}

func unlink(_ context.Context, c *command.Call) int {
	if len(c.Args) != 1 {
		return c.Usage(errors.New("which file?"))
	}
	if err := syscall.Unlink(c.Path(c.Args[0])); err != nil {
		return c.Problem(c.Args[0], err)
	}
	return 0
}

func link(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("s|symbolic f|force n v T")
	if err = operands(names, err); err != nil {
		return c.Usage(err)
	}
	targets, dir := names[:1], "."
	if len(names) > 1 {
		targets, dir = names[:len(names)-1], names[len(names)-1]
	}
	info, err := os.Stat(c.Path(dir))
	into := err == nil && info.IsDir() && !o.Has("T")
	if linked, lerr := os.Lstat(c.Path(dir)); o.Has("n") && lerr == nil && linked.Mode()&fs.ModeSymlink != 0 {
		into = false
	}
	if len(targets) > 1 && !into {
		return c.Problem(dir, syscall.ENOTDIR)
	}
	code := 0
	for _, target := range targets {
		name := c.Path(dir)
		if into {
			name = filepath.Join(name, path.Base(target))
		}
		if err := linkOne(c, o, target, name); err != nil {
			code = c.Problem(name, err)
		}
	}
	return code
}

func linkOne(c *command.Call, o command.Options, target, name string) error {
	if o.Has("f") {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if o.Has("s") {
		return os.Symlink(target, name)
	}
	return os.Link(c.Path(target), name)
}

func truncate(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("s:|size c")
	if err = operands(names, err); err != nil {
		return c.Usage(err)
	}
	size, err := command.ParseSize(o.Value("s", ""))
	if err != nil {
		return c.Usage(err)
	}
	flags, code := os.O_WRONLY|os.O_CREATE, 0
	if o.Has("c") {
		flags = os.O_WRONLY
	}
	for _, name := range names {
		f, err := os.OpenFile(c.Path(name), flags, 0o666)
		if err == nil {
			err = errors.Join(f.Truncate(size), f.Close())
		}
		if err != nil && (!o.Has("c") || !errors.Is(err, fs.ErrNotExist)) {
			code = c.Problem(name, err)
		}
	}
	return code
}

func readlink(ctx context.Context, c *command.Call) int {
	o, names, err := c.Options("f e m n v")
	if err = operands(names, err); err != nil {
		return c.Usage(err)
	}
	if o.Has("f") || o.Has("e") || o.Has("m") {
		call := *c
		call.Args = names
		return realpath(ctx, &call)
	}
	code := 0
	for _, name := range names {
		target, err := os.Readlink(c.Path(name))
		if err != nil {
			code = 1
			continue
		}
		if !o.Has("n") {
			target += "\n"
		}
		code = max(code, c.Write(target))
	}
	return code
}

// realpath resolves links. The last component need not exist.
func realpath(_ context.Context, c *command.Call) int {
	_, names, err := c.Options("s e m")
	if err = operands(names, err); err != nil {
		return c.Usage(err)
	}
	code := 0
	for _, name := range names {
		file := path.Clean(c.Path(name))
		real, err := filepath.EvalSymlinks(file)
		if errors.Is(err, fs.ErrNotExist) {
			if real, err = filepath.EvalSymlinks(path.Dir(file)); err == nil {
				real = path.Join(real, path.Base(file))
			}
		}
		if err != nil {
			code = c.Problem(name, err)
			continue
		}
		c.Printf("%s\n", real)
	}
	return code
}

func basename(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("a s:")
	if err = operands(names, err); err != nil {
		return c.Usage(err)
	}
	suffix := o.Value("s", "")
	if len(names) == 2 && !o.Has("a") && !o.Has("s") {
		names, suffix = names[:1], names[1]
	}
	for _, name := range names {
		base := path.Base(name)
		if trimmed := strings.TrimSuffix(base, suffix); trimmed != "" {
			base = trimmed
		}
		c.Printf("%s\n", base)
	}
	return 0
}

func dirname(_ context.Context, c *command.Call) int {
	if len(c.Args) == 0 {
		return c.Usage(errors.New("which file?"))
	}
	for _, name := range c.Args {
		c.Printf("%s\n", path.Dir(strings.TrimRight(name, "/")+strings.Repeat("/", boolInt(strings.Trim(name, "/") == "" && name != ""))))
	}
	return 0
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func pwd(_ context.Context, c *command.Call) int { return c.Write(c.Dir + "\n") }

// syncFiles has nothing to do: WASI can sync a file, and not a system.
func syncFiles(_ context.Context, c *command.Call) int {
	code := 0
	for _, name := range c.Args {
		f, err := os.OpenFile(c.Path(name), os.O_WRONLY, 0)
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
		if err != nil {
			code = c.Problem(name, err)
		}
	}
	return code
}

func mktemp(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("d|directory t p: q u")
	if err != nil || len(names) > 1 {
		return c.Usage(errors.Join(err, errors.New("one template at most")))
	}
	dir := o.Value("p", c.Getenv("TMPDIR"))
	if dir == "" {
		dir = "/tmp"
	}
	pattern := "tmp.XXXXXX"
	if len(names) == 1 {
		if pattern = path.Base(names[0]); !o.Has("t") && !o.Has("p") {
			dir = path.Dir(names[0])
		}
	}
	stem := strings.TrimRight(pattern, "X")
	if len(pattern)-len(stem) < 3 {
		return c.Usage(errors.New(pattern + ": a template ends in at least three X"))
	}
	var name string
	if o.Has("d") {
		name, err = os.MkdirTemp(c.Path(dir), stem+"*")
	} else {
		var f *os.File
		if f, err = os.CreateTemp(c.Path(dir), stem+"*"); err == nil {
			name, err = f.Name(), f.Close()
		}
	}
	if err != nil {
		return c.Problem(dir, err)
	}
	if o.Has("u") {
		err = os.RemoveAll(name)
	}
	if err != nil {
		return c.Problem(name, err)
	}
	return c.Write(name + "\n")
}
