// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Exit codes of what could not be run.
const (
	CodeNotRunnable = 126
	CodeNotFound    = 127
)

// Table has the commands by name.
type Table struct {
	funcs map[string]Func
}

// NewTable joins lists of commands.
func NewTable(lists ...map[string]Func) *Table {
	t := &Table{funcs: map[string]Func{}}
	for _, list := range lists {
		for name, f := range list {
			t.funcs[name] = f
		}
	}
	return t
}

// Names are the names of the commands, sorted.
func (t *Table) Names() []string {
	names := make([]string, 0, len(t.funcs))
	for name := range t.funcs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Has says whether there is a command of this name.
func (t *Table) Has(name string) bool { return t.funcs[name] != nil }

// Run runs the command that argv names: one of the table, by its name or by a path that leads to it,
// or a script. What cannot be run is reported: 127 where there is no such thing, 126 where it is
// nothing that can run here. c gives directory, variables and streams; its name and arguments are
// those of argv.
func (t *Table) Run(ctx context.Context, c *Call, argv []string) int {
	call := *c
	call.Table = t
	name, args, err := t.resolve(c, argv)
	if err != nil {
		fmt.Fprintf(c.Stderr, "%s: %v\n", c.Name, err)
		if errors.Is(err, fs.ErrNotExist) {
			return CodeNotFound
		}
		return CodeNotRunnable
	}
	call.Name, call.Args = name, args
	return Guard(func() int { return t.funcs[name](ctx, &call) })
}

// notFound is a name that leads nowhere; it reads as shells put it.
type notFound struct{ name, text string }

func (e notFound) Error() string        { return e.name + ": " + e.text }
func (e notFound) Is(target error) bool { return target == fs.ErrNotExist }

// homes are where systems keep the commands: they are found there even in an image that has no
// such directory.
var homes = []string{"/bin", "/usr/bin", "/sbin", "/usr/sbin", "/usr/local/bin"}

// Path is where a command would be found: its file on PATH, or none for a command of the table that
// has no file. The error is that of Run.
func (t *Table) Path(c *Call, name string) (string, error) {
	if strings.Contains(name, "/") {
		_, err := os.Stat(c.Path(name))
		if err != nil && slices.Contains(homes, path.Dir(path.Clean(name))) && t.Has(path.Base(name)) {
			return "", nil
		}
		if err != nil {
			return "", notFound{name, Reason(err)}
		}
		return c.Path(name), nil
	}
	for _, dir := range strings.Split(c.Getenv("PATH"), ":") {
		file := c.Path(path.Join(dir, name))
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return file, nil
		}
	}
	if t.Has(name) {
		return "", nil
	}
	return "", notFound{name, "not found"}
}

// resolve finds the command of the table and the arguments it gets.
func (t *Table) resolve(c *Call, argv []string) (name string, args []string, err error) {
	if !strings.Contains(argv[0], "/") && t.Has(argv[0]) {
		return argv[0], argv[1:], nil
	}
	file, err := t.Path(c, argv[0])
	if err != nil {
		return "", nil, err
	}
	if file == "" {
		return path.Base(argv[0]), argv[1:], nil
	}
	interpreter, err := t.interpreter(argv[0], file)
	if err != nil {
		return "", nil, err
	}
	if len(interpreter) == 0 {
		return path.Base(argv[0]), argv[1:], nil
	}
	if strings.Contains(argv[0], "/") {
		file = argv[0] // as it was called: that is its $0
	}
	return interpreter[0], slices.Concat(interpreter[1:], []string{file}, argv[1:]), nil
}

// maxInterpreter bounds the first line of a script.
const maxInterpreter = 256

// interpreter looks at a file: what runs it, nothing where it is the toolbox itself.
func (t *Table) interpreter(name, file string) ([]string, error) {
	head, err := headOf(file)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %s", name, Reason(err))
	case bytes.HasPrefix(head, []byte("\x00asm")):
		if t.Has(path.Base(name)) {
			return nil, nil
		}
		return nil, fmt.Errorf("%s: a WebAssembly module cannot be started from within another; "+
			"run it as a command of its own (kubectl exec POD -- %s)", name, file)
	case bytes.IndexByte(head, 0) >= 0:
		return nil, fmt.Errorf("%s: neither a WebAssembly module nor a script", name)
	}
	line, found := strings.CutPrefix(string(head), "#!")
	if !found {
		return []string{"sh"}, nil
	}
	line, _, _ = strings.Cut(line, "\n")
	words := strings.Fields(line)
	if len(words) > 1 && path.Base(words[0]) == "env" {
		words = words[1:]
	}
	if len(words) == 0 {
		return nil, fmt.Errorf("%s: names no interpreter", name)
	}
	words[0] = path.Base(words[0])
	if words[0] == "bash" {
		words[0] = "sh"
	}
	if !t.Has(words[0]) {
		return nil, fmt.Errorf("%s: there is no interpreter %s here", name, words[0])
	}
	return words, nil
}

func headOf(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, errors.New("is a directory")
	}
	head := make([]byte, maxInterpreter)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return head[:n], nil
}
