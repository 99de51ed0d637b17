// SPDX-License-Identifier: Apache-2.0

// Package command is what the commands of the toolbox have in common: how one is called, its options
// and its errors, pipes between two of them, and the table by which they run each other.
//
// WASI has no fork, exec or pipe: a command is a function, a pipeline is goroutines with pipes in
// memory, and working directory and environment are values.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Func runs a command and returns its exit code.
type Func func(ctx context.Context, c *Call) int

// Call is one run of a command.
type Call struct {
	Name string   // as which it was called: the base name of argv[0]
	Args []string // what follows it
	Env  []string // KEY=value
	Dir  string   // the working directory, absolute

	Stdin          io.Reader
	Stdout, Stderr io.Writer

	// Table has the commands that this one may run.
	Table *Table

	// Interrupts tells of the user's Ctrl-C; nil where nothing does.
	Interrupts *Interrupts
}

// Getenv is the value of a variable; empty where it is not set.
func (c *Call) Getenv(key string) string {
	value, _ := Lookup(c.Env, key)
	return value
}

// Lookup finds a variable among KEY=value; the last of a name counts.
func Lookup(env []string, key string) (string, bool) {
	for i := len(env) - 1; i >= 0; i-- {
		if k, v, _ := strings.Cut(env[i], "="); k == key {
			return v, true
		}
	}
	return "", false
}

// Path makes a path absolute.
func (c *Call) Path(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	// Not cleaned: a/.. is not the same where a is a link.
	return strings.TrimSuffix(c.Dir, "/") + "/" + path
}

// Open opens a file for reading; "-" is standard input.
func (c *Call) Open(path string) (io.ReadCloser, error) {
	if path == "-" {
		return standardInput{NewInput(c.Stdin)}, nil
	}
	f, err := os.Open(c.Path(path))
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, errors.Join(&fs.PathError{Op: "read", Path: path, Err: syscall.EISDIR}, f.Close())
	}
	return f, nil
}

// standardInput is not closed by those who read it.
type standardInput struct{ *Input }

func (standardInput) Close() error { return nil }

// Printf writes to standard output.
func (c *Call) Printf(format string, args ...any) { fmt.Fprintf(c.Stdout, format, args...) }

// Errorf writes a message, after the command's name, to standard error and returns 1, the exit code
// of most commands that did not do all they should.
func (c *Call) Errorf(format string, args ...any) int {
	fmt.Fprintf(c.Stderr, "%s: %s\n", c.Name, fmt.Sprintf(format, args...))
	return 1
}

// Problem says what was wrong with a file.
func (c *Call) Problem(path string, err error) int {
	return c.Errorf("%s: %s", path, Reason(err))
}

// Usage says what was wrong with the arguments.
func (c *Call) Usage(err error) int {
	c.Errorf("%v", err)
	return 2
}

// Refuse says why a command that people know cannot be here.
func Refuse(why string) Func {
	return func(_ context.Context, c *Call) int { return c.Errorf("%s", why) }
}

// Reason is the cause of an error without what its place repeats, in the words shells use: a test
// may look for "Permission denied".
func Reason(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		text := errno.Error()
		return strings.ToUpper(text[:1]) + text[1:]
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// ForEach calls do with each of the named files, opened; without names, with standard input. A file
// that cannot be opened or read is reported; the result is 1 then.
func (c *Call) ForEach(names []string, do func(name string, r io.Reader) error) (code int) {
	if len(names) == 0 {
		names = []string{"-"}
	}
	for _, name := range names {
		f, err := c.Open(name)
		if err == nil {
			err = errors.Join(do(name, f), f.Close())
		}
		if errors.Is(err, ErrStop) {
			return code
		}
		if err != nil {
			code = c.Problem(name, err)
		}
	}
	return code
}

// ErrStop ends ForEach without an error.
var ErrStop = errors.New("stop")

// Write writes a text to standard output and returns the exit code: 1 where that did not work.
func (c *Call) Write(text string) int {
	if _, err := io.WriteString(c.Stdout, text); err != nil {
		return c.Problem("write", err)
	}
	return 0
}
