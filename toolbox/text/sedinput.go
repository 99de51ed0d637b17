// SPDX-License-Identifier: Apache-2.0

package text

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/wazelet/wazelet/toolbox/command"
)

// sedInput is what sed reads: files as one stream, a line at a time. It looks ahead only where a
// command asks whether a line is the last.
type sedInput struct {
	ctx       context.Context
	c         *command.Call
	names     []string
	separator byte

	file  io.ReadCloser
	in    *bufio.Reader
	ahead *sedLine
	name  string
	code  int
}

// sedLine is a line of input; whole: with its newline.
type sedLine struct {
	text  []byte
	whole bool
}

// next takes a line; nil: there is no other.
func (s *sedInput) next() *sedLine {
	line := s.peek()
	s.ahead = nil
	return line
}

// last says whether the line that was taken last is the last there is.
func (s *sedInput) last() bool { return s.peek() == nil }

func (s *sedInput) peek() *sedLine {
	for s.ahead == nil && s.ctx.Err() == nil && s.open() {
		text, err := s.read()
		if len(text) > 0 {
			body, whole := bytes.CutSuffix(text, []byte{s.separator})
			s.ahead = &sedLine{bytes.Clone(body), whole}
		}
		if err != nil {
			s.close(hideEOF(err))
		}
	}
	return s.ahead
}

func (s *sedInput) read() ([]byte, error) {
	if s.separator == '\n' {
		return readLine(s.in)
	}
	var text []byte
	for len(text) < maxLine {
		b, err := s.in.ReadByte()
		if err != nil {
			return text, err
		}
		if text = append(text, b); b == s.separator {
			break
		}
	}
	return text, nil
}

// open opens the next file that can be; false: there is none.
func (s *sedInput) open() bool {
	for s.file == nil {
		if len(s.names) == 0 {
			return false
		}
		s.name, s.names = s.names[0], s.names[1:]
		f, err := s.c.Open(s.name)
		if err != nil {
			s.c.Problem(s.name, err)
			s.code = 2
			continue
		}
		s.file, s.in = f, bufio.NewReader(f)
	}
	return true
}

func (s *sedInput) close(err error) {
	if s.file == nil {
		return
	}
	if err = errors.Join(err, s.file.Close()); err != nil {
		s.c.Problem(s.name, err)
		s.code = 2
	}
	s.file = nil
}
