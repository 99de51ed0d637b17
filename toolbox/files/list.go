// SPDX-License-Identifier: Apache-2.0

package files

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/wazelet/wazelet/toolbox/command"
)

// lister is one run of ls.
type lister struct {
	c    *command.Call
	o    command.Options
	out  *bufio.Writer
	code int
}

// list lists directories, one entry a line: widths of terminals are not known. Modes and owners
// WASI does not tell; -l shows the kind, and the links, size and time.
func list(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("l a A h R 1 d F p i r t S n g o C x k H L color: full-time")
	if err != nil {
		return c.Usage(err)
	}
	if len(names) == 0 {
		names = []string{"."}
	}
	l := &lister{c: c, o: o, out: bufio.NewWriter(c.Stdout)}
	var plain []entry
	var dirs []string
	for _, name := range names {
		info, err := l.named(name)
		switch {
		case err != nil:
			l.code = c.Problem(name, err)
		case info.IsDir() && !o.Has("d"):
			dirs = append(dirs, name)
		default:
			plain = append(plain, entry{name, c.Path(name), info})
		}
	}
	l.entries(plain)
	for i, name := range dirs {
		if i > 0 || len(plain) > 0 {
			fmt.Fprintln(l.out)
		}
		l.directory(name, len(names) > 1 || o.Has("R"))
	}
	if err := l.out.Flush(); err != nil {
		return c.Problem("write", err)
	}
	return l.code
}

// named looks at an operand: through a link, unless the link itself is to be shown.
func (l *lister) named(name string) (fs.FileInfo, error) {
	info, err := os.Lstat(l.c.Path(name))
	if err == nil && info.Mode()&fs.ModeSymlink != 0 && (!l.o.Has("l") || strings.HasSuffix(name, "/") || l.o.Has("L")) {
		if followed, err := os.Stat(l.c.Path(name)); err == nil {
			return followed, nil
		}
	}
	return info, err
}

// entry is what one line is about.
type entry struct {
	name string
	path string
	info fs.FileInfo
}

func (l *lister) directory(name string, titled bool) {
	dir := l.c.Path(name)
	read, err := os.ReadDir(dir)
	if err != nil {
		l.code = l.c.Problem(name, err)
		return
	}
	if titled {
		fmt.Fprintf(l.out, "%s:\n", name)
	}
	all := l.dots(dir)
	for _, e := range read {
		if strings.HasPrefix(e.Name(), ".") && !l.o.Has("a") && !l.o.Has("A") {
			continue
		}
		if one, ok := l.child(name, dir, e); ok {
			all = append(all, one)
		}
	}
	if l.o.Has("l") {
		fmt.Fprintf(l.out, "total %d\n", total(all))
	}
	l.entries(all)
	if !l.o.Has("R") {
		return
	}
	for _, e := range all {
		if e.info.IsDir() && e.name != "." && e.name != ".." {
			fmt.Fprintln(l.out)
			l.directory(strings.TrimSuffix(name, "/")+"/"+e.name, true)
		}
	}
}

// dots are a directory itself and the one above it, where -a asks for them.
func (l *lister) dots(dir string) (all []entry) {
	for _, dot := range []string{".", ".."} {
		if info, err := os.Lstat(path.Join(dir, dot)); err == nil && l.o.Has("a") {
			all = append(all, entry{dot, path.Join(dir, dot), info})
		}
	}
	return all
}

// child looks at what a directory holds; false: it was removed meanwhile, or cannot be looked at.
func (l *lister) child(name, dir string, e fs.DirEntry) (entry, bool) {
	info, err := e.Info()
	if err == nil && l.o.Has("L") {
		info, err = os.Stat(filepath.Join(dir, e.Name()))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.code = l.c.Problem(path.Join(name, e.Name()), err)
	}
	return entry{e.Name(), filepath.Join(dir, e.Name()), info}, err == nil
}

// total is what the files take, in kilobytes.
func total(all []entry) (kilobytes int64) {
	for _, e := range all {
		if e.info.Mode().IsRegular() {
			kilobytes += (e.info.Size() + 1023) / 1024
		}
	}
	return kilobytes
}

func (l *lister) entries(all []entry) {
	slices.SortStableFunc(all, func(a, b entry) int {
		switch {
		case l.o.Has("t"):
			return b.info.ModTime().Compare(a.info.ModTime())
		case l.o.Has("S"):
			return int(max(-1, min(1, b.info.Size()-a.info.Size())))
		}
		return strings.Compare(a.name, b.name)
	})
	if l.o.Has("r") {
		slices.Reverse(all)
	}
	for _, e := range all {
		l.entry(e)
	}
}

func (l *lister) entry(e entry) {
	name, long := e.name, l.o.Has("l") || l.o.Has("g") || l.o.Has("o") || l.o.Has("n")
	switch {
	case e.info.IsDir() && (l.o.Has("F") || l.o.Has("p")):
		name += "/"
	case e.info.Mode()&fs.ModeSymlink != 0 && long:
		if target, err := os.Readlink(e.path); err == nil {
			name += " -> " + target
		}
	case e.info.Mode()&fs.ModeSymlink != 0 && l.o.Has("F"):
		name += "@"
	}
	if l.o.Has("i") {
		name = fmt.Sprintf("%7d %s", inodeOf(e.info), name)
	}
	if !long {
		fmt.Fprintln(l.out, name)
		return
	}
	size := fmt.Sprint(e.info.Size())
	if l.o.Has("h") {
		size = human(e.info.Size())
	}
	fmt.Fprintf(l.out, "%s %4d %s %10s %s %s\n", modeOf(e.info), linksOf(e.info), ownerOf(e.info), size, l.timeOf(e.info), name)
}

func (l *lister) timeOf(info fs.FileInfo) string {
	when := info.ModTime()
	switch age := time.Since(when); {
	case l.o.Has("full-time"):
		return when.Format("2006-01-02 15:04:05 -0700")
	case age > 183*24*time.Hour || age < -time.Hour:
		return when.Format("Jan _2  2006")
	}
	return when.Format("Jan _2 15:04")
}

// human writes a size with a unit.
func human(size int64) string {
	if size < 1024 {
		return fmt.Sprint(size)
	}
	value, unit := float64(size), 0
	for value >= 1024 && unit < 5 {
		value, unit = value/1024, unit+1
	}
	return fmt.Sprintf("%.1f%c", value, " KMGTP"[unit])
}

// usage is du: what files take, by directory.
func usage(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("s|summarize h|human-readable a k m c d:|max-depth x b")
	if err != nil {
		return c.Usage(err)
	}
	if len(names) == 0 {
		names = []string{"."}
	}
	u := &summer{c: c, o: o, deepest: 1 << 30}
	if depth := o.Value("d", ""); depth != "" {
		if _, err := fmt.Sscan(depth, &u.deepest); err != nil {
			return c.Usage(errors.New("-d: a number is needed"))
		}
	}
	if o.Has("s") {
		u.deepest = 0
	}
	var sum int64
	for _, name := range names {
		sum += u.of(name, c.Path(name), 0)
	}
	if o.Has("c") {
		u.print("total", sum)
	}
	return u.code
}

type summer struct {
	c       *command.Call
	o       command.Options
	deepest int
	code    int
}

func (u *summer) print(name string, size int64) {
	text := fmt.Sprint((size + 1023) / 1024)
	switch {
	case u.o.Has("h"):
		text = human(size)
	case u.o.Has("b"):
		text = fmt.Sprint(size)
	case u.o.Has("m"):
		text = fmt.Sprint((size + 1<<20 - 1) >> 20)
	}
	u.c.Printf("%s\t%s\n", text, name)
}

func (u *summer) of(name, file string, depth int) (size int64) {
	info, err := os.Lstat(file)
	if err != nil {
		u.code = u.c.Problem(name, err)
		return 0
	}
	if size = info.Size(); info.IsDir() {
		size = 0
		entries, err := os.ReadDir(file)
		if err != nil {
			u.code = u.c.Problem(name, err)
		}
		for _, e := range entries {
			size += u.of(path.Join(name, e.Name()), filepath.Join(file, e.Name()), depth+1)
		}
	}
	if depth <= u.deepest && (info.IsDir() || u.o.Has("a") || depth == 0) {
		u.print(name, size)
	}
	return size
}
