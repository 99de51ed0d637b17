// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/wazelet/wazelet/toolbox/command"
)

// maxFD is how many descriptors a shell has: the digits of redirections.
const maxFD = 10

// stream is what a descriptor refers to; neither way open: it is closed.
type stream struct {
	in  *command.Input
	out io.Writer
}

// closed is what reading and writing a closed descriptor does.
type closed struct{}

func (closed) Read([]byte) (int, error)  { return 0, syscall.EBADF }
func (closed) Write([]byte) (int, error) { return 0, syscall.EBADF }

func (s *shell) stdin() io.Reader {
	if s.fds[0].in == nil {
		return closed{}
	}
	return s.fds[0].in
}

func (s *shell) stdout() io.Writer { return s.fds[1].writer() }
func (s *shell) stderr() io.Writer { return s.fds[2].writer() }

func (st stream) writer() io.Writer {
	if st.out == nil {
		return closed{}
	}
	return st.out
}

// nothing is /dev/null, which an image need not have.
func nothing() stream {
	return stream{in: command.NewInput(strings.NewReader("")), out: io.Discard}
}

// redirect applies redirections, in order. What they opened is to be closed by the caller, after an
// error too.
func (s *shell) redirect(list []*syntax.Redirect, cfg *expand.Config) (opened []io.Closer, err error) {
	for _, r := range list {
		c, err := s.redirectOne(r, cfg)
		if c != nil {
			opened = append(opened, c)
		}
		if err != nil {
			return opened, err
		}
	}
	return opened, nil
}

func (s *shell) redirectOne(r *syntax.Redirect, cfg *expand.Config) (io.Closer, error) {
	fd, err := descriptor(r)
	if err != nil {
		return nil, err
	}
	switch r.Op {
	case syntax.Hdoc, syntax.DashHdoc:
		body := r.Hdoc
		if r.Op == syntax.DashHdoc {
			body = dedent(body)
		}
		text, err := expand.Document(cfg, body)
		s.fds[fd] = stream{in: command.NewInput(strings.NewReader(text))}
		return nil, err
	case syntax.WordHdoc:
		text, err := expand.Literal(cfg, r.Word)
		s.fds[fd] = stream{in: command.NewInput(strings.NewReader(text + "\n"))}
		return nil, err
	}
	word, err := expand.Literal(cfg, r.Word)
	if err != nil {
		return nil, err
	}
	switch {
	case r.Op == syntax.DplIn, r.Op == syntax.DplOut && isDescriptor(word):
		return nil, s.duplicate(fd, word)
	case r.Op == syntax.DplOut || r.Op == syntax.RdrAll || r.Op == syntax.AppAll:
		opened, f, err := s.open(r.Op, word) // >& FILE and &> FILE
		if err == nil {
			s.fds[1], s.fds[2] = opened, opened
		}
		return f, err
	}
	opened, f, err := s.open(r.Op, word)
	if err == nil {
		s.fds[fd] = opened
	}
	return f, err
}

// dedent takes the tabs away that lines of a here-document begin with.
func dedent(body *syntax.Word) *syntax.Word {
	if body == nil {
		return nil
	}
	dedented, start := &syntax.Word{}, true
	for _, part := range body.Parts {
		lit, ok := part.(*syntax.Lit)
		if !ok {
			dedented.Parts, start = append(dedented.Parts, part), false
			continue
		}
		copied := *lit
		var text strings.Builder
		for line := range strings.SplitAfterSeq(lit.Value, "\n") {
			if start {
				line = strings.TrimLeft(line, "\t")
			}
			text.WriteString(line)
			start = strings.HasSuffix(line, "\n") || start && line == ""
		}
		copied.Value = text.String()
		dedented.Parts = append(dedented.Parts, &copied)
	}
	return dedented
}

func descriptor(r *syntax.Redirect) (int, error) {
	if r.N == nil {
		switch r.Op {
		case syntax.RdrIn, syntax.RdrInOut, syntax.DplIn, syntax.Hdoc, syntax.DashHdoc, syntax.WordHdoc:
			return 0, nil
		}
		return 1, nil
	}
	fd, err := strconv.Atoi(r.N.Value)
	if err != nil || fd >= maxFD {
		return 0, fmt.Errorf("%s: descriptors are 0 to %d", r.N.Value, maxFD-1)
	}
	return fd, nil
}

func isDescriptor(word string) bool {
	return word == "-" || len(word) == 1 && word[0] >= '0' && word[0] <= '9'
}

func (s *shell) duplicate(fd int, word string) error {
	if !isDescriptor(word) {
		return fmt.Errorf("%s: bad file descriptor", word)
	}
	if word == "-" {
		s.fds[fd] = stream{}
		return nil
	}
	from := s.fds[word[0]-'0']
	if from.in == nil && from.out == nil {
		return fmt.Errorf("%s: bad file descriptor", word)
	}
	s.fds[fd] = from
	return nil
}

// open opens what a redirection names.
func (s *shell) open(op syntax.RedirOperator, name string) (stream, io.Closer, error) {
	switch name {
	case "":
		return stream{}, nil, errors.New("cannot open '': No such file or directory")
	case "/dev/null":
		return nothing(), nil, nil
	case "/dev/stdin":
		return s.fds[0], nil, nil
	case "/dev/stdout":
		return s.fds[1], nil, nil
	case "/dev/stderr":
		return s.fds[2], nil, nil
	}
	return s.openFile(op, name)
}

func (s *shell) openFile(op syntax.RedirOperator, name string) (stream, io.Closer, error) {
	flags := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	switch op {
	case syntax.RdrIn:
		flags = os.O_RDONLY
	case syntax.RdrInOut:
		flags = os.O_RDWR | os.O_CREATE
	case syntax.AppOut, syntax.AppAll:
		flags = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	case syntax.RdrOut:
		if info, err := os.Stat(s.path(name)); s.opts.has('C') && err == nil && info.Mode().IsRegular() {
			return stream{}, nil, fmt.Errorf("cannot create %s: File exists", name)
		}
	}
	f, err := os.OpenFile(s.path(name), flags, 0o666)
	if err != nil {
		verb := "create"
		if op == syntax.RdrIn {
			verb = "open"
		}
		return stream{}, nil, fmt.Errorf("cannot %s %s: %s", verb, name, command.Reason(err))
	}
	var opened stream
	if flags&(os.O_WRONLY) == 0 {
		opened.in = command.NewInput(f)
	}
	if flags&(os.O_WRONLY|os.O_RDWR) != 0 {
		opened.out = f
	}
	return opened, f, nil
}

func (s *shell) path(name string) string {
	c := command.Call{Dir: s.dir}
	return c.Path(name)
}

// readDir lists a directory for globbing.
func readDir(dir string) ([]fs.DirEntry, error) { return os.ReadDir(dir) }
