// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// response is the head of an answer.
type response struct {
	status int
	fields map[string]string
	// lines are the status line and the fields, to be shown: without control characters.
	lines []string
}

// maxInterim bounds how many answers such as 100 Continue may come before the one that counts.
const maxInterim = 8

// readResponse reads the head of an answer.
func readResponse(in *bufio.Reader) (r response, err error) {
	for range maxInterim {
		line, err := headLine(in, maxTarget)
		if err != nil {
			return r, fmt.Errorf("no answer: %w", err)
		}
		rest, ok := strings.CutPrefix(line, "HTTP/1.")
		if !ok || len(rest) < 5 || rest[1] != ' ' || len(rest) > 5 && rest[5] != ' ' {
			return r, errors.New("the answer is not HTTP")
		}
		status, err := strconv.ParseUint(rest[2:5], 10, 16)
		if err != nil || status < 100 || status > 599 {
			return r, errors.New("the answer is not HTTP")
		}
		r = response{status: int(status), lines: []string{visible(line)}}
		if r.fields, err = readFields(in); err != nil {
			return r, fmt.Errorf("the answer's header: %w", err)
		}
		for name, value := range r.fields {
			r.lines = append(r.lines, visible(name+": "+value))
		}
		slices.Sort(r.lines[1:])
		if status >= 200 {
			return r, nil
		}
	}
	return r, errors.New("the answer does not begin")
}

// visible is a text of a stranger's for a terminal.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
			return '?'
		}
		return r
	}, text)
}

// bodyOf is the content of an answer: in chunks, of a length, or up to the end.
func bodyOf(in *bufio.Reader, fields map[string]string) (io.Reader, error) {
	if coding, given := fields["transfer-encoding"]; given {
		if !strings.EqualFold(coding, "chunked") {
			return nil, fmt.Errorf("the answer's coding %.40q is not known", coding)
		}
		return &chunks{in: in}, nil
	}
	if text, given := fields["content-length"]; given {
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return nil, fmt.Errorf("the answer's length %.40q is not a number", text)
		}
		return &exactly{in, int64(n)}, nil
	}
	return in, nil
}

// exactly reads a number of bytes; fewer are an error.
type exactly struct {
	in   io.Reader
	left int64
}

func (e *exactly) Read(b []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.in.Read(b[:min(int64(len(b)), e.left)])
	e.left -= int64(n)
	if errors.Is(err, io.EOF) && e.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// chunks reads the chunked coding.
type chunks struct {
	in   *bufio.Reader
	left uint64
	some bool
	end  bool
}

func (c *chunks) Read(b []byte) (int, error) {
	for c.left == 0 {
		if c.end {
			return 0, io.EOF
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n, err := c.in.Read(b[:min(uint64(len(b)), c.left)])
	c.left -= uint64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// next reads the size of the next chunk.
func (c *chunks) next() error {
	if c.some {
		if line, err := headLine(c.in, 2); err != nil || line != "" {
			return errors.New("a chunk does not end where it should")
		}
	}
	c.some = true
	line, err := headLine(c.in, 256)
	if err != nil {
		return io.ErrUnexpectedEOF
	}
	size, _, _ := strings.Cut(line, ";")
	if c.left, err = strconv.ParseUint(strings.TrimSpace(size), 16, 62); err != nil {
		return errors.New("a chunk without a size")
	}
	c.end = c.left == 0 // what may follow it nobody wants
	return nil
}
