// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// command is what names a program.
type command struct {
	module    *spec.ModuleFile // the program, whatever args say
	args, env []string
	cwd       string
}

// program is what a command has resolved to.
type program struct {
	file   *os.File
	path   string // in the container
	export string // the function that runs, "" for _start
}

// resolve opens the file that argv[0] names. A name that no file has may have an
// export at its end.
func resolve(c command) (p program, err error) {
	name := ""
	if len(c.args) > 0 {
		name = c.args[0]
	}
	without, export, ok := spec.CutExport(name)
	if c.module != nil {
		p.export = export
		p.file, p.path, err = openRegular(c.module.Path())
		return p, err
	}
	if name == "" {
		return p, spec.Failf(spec.Invalid, "the container has no command")
	}
	if p.file, p.path, err = c.find(name); !ok || !errors.Is(err, errNoFile) && !missing(err) {
		return p, err
	}
	if file, path, second := c.find(without); second == nil {
		return program{file, path, export}, nil
	}
	return p, err
}

// find opens a program in the container's root and with the container's rights:
// a name with a slash from the working directory, any other in PATH and then in
// the working directory. A module need not be executable.
func (c command) find(name string) (*os.File, string, error) {
	if strings.Contains(name, "/") {
		return openProgram(inDir(c.cwd, name))
	}
	search := spec.DefaultPath // as other runtimes do
	for _, kv := range c.env {
		if value, ok := strings.CutPrefix(kv, "PATH="); ok {
			search = value
		}
	}
	for dir := range strings.SplitSeq(search+":.", ":") {
		f, at, err := openProgram(inDir(c.cwd, path.Join(dir, name)))
		if err == nil || !missing(err) {
			return f, at, err
		}
	}
	return nil, "", &programError{spec.Failf(spec.NotFound, "%s: not found in PATH (%s) or in the working directory", name, search), errNoFile}
}

// inDir makes name absolute. It does not tidy it: ".." after a link has its
// own meaning.
func inDir(dir, name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	return "/" + strings.Trim(dir, "/") + "/" + name
}

// missing says that a place of the search path has no such file.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, errNotFile)
}

// errNoFile says that no place of the search path has a file.
var errNoFile = errors.New("not found")

var errNotFile = errors.New("not a regular file")

var errNoexec = errors.New("lies on a mount with the option noexec")

// openProgram opens what the kernel might execute: nobody asks it, so the
// option of the mount that says no is looked at here.
func openProgram(name string) (*os.File, string, error) {
	f, name, err := openRegular(name)
	if err != nil {
		return nil, "", err
	}
	var st unix.Statfs_t
	err = unix.Fstatfs(int(f.Fd()), &st)
	if err == nil && st.Flags&unix.ST_NOEXEC != 0 {
		err = errNoexec
	}
	if err != nil {
		f.Close()
		return nil, "", openFailure(name, err)
	}
	return f, name, nil
}

func openRegular(name string) (*os.File, string, error) {
	// O_NONBLOCK: an image may have a FIFO in that place.
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, "", openFailure(name, err)
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errNotFile
	}
	if err != nil {
		f.Close()
		return nil, "", openFailure(name, err)
	}
	return f, name, nil
}

// programError keeps the cause of a failure, which the search looks at.
type programError struct {
	*spec.Failure
	cause error
}

func (e *programError) Unwrap() []error { return []error{e.Failure, e.cause} }

func openFailure(name string, err error) error {
	cause := err
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		cause = path.Err
	}
	class := spec.FailedPrecondition
	switch {
	case errors.Is(cause, fs.ErrNotExist), errors.Is(cause, unix.ENOTDIR):
		class = spec.NotFound
	case errors.Is(cause, errNotFile):
		class = spec.Invalid
	}
	return &programError{spec.Failf(class, "%s: %w", name, cause), cause}
}
