// SPDX-License-Identifier: Apache-2.0

package wagi

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"strings"
)

var errChunk = errors.New("malformed chunk")

// sized is a body of known length; a connection that ends before it is
// io.ErrUnexpectedEOF.
type sized struct {
	in   *bufio.Reader
	left int64
}

// Read reads what is there of the body.
func (s *sized) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.in.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	return n, cut(err)
}

// chunks is a body in chunks (RFC 9112, section 7.1). Extensions and trailers
// are read and dropped.
type chunks struct {
	in    *bufio.Reader
	left  int64 // of the chunk begun
	begun bool
	done  error
}

// Read reads what is there of the chunk.
func (c *chunks) Read(p []byte) (int, error) {
	for c.left == 0 && c.done == nil {
		c.done = c.next()
	}
	if c.done != nil {
		return 0, c.done
	}
	n, err := c.in.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	c.done = cut(err)
	return n, c.done
}

// next goes on to the next chunk; after the last one it is io.EOF.
func (c *chunks) next() error {
	budget := maxLine
	if c.begun {
		if line, err := readLine(c.in, &budget); err != nil || line != "" {
			return cut(errors.Join(err, errChunk))
		}
	}
	c.begun = true
	line, err := readLine(c.in, &budget)
	if err != nil {
		return cut(err)
	}
	size, _, _ := strings.Cut(line, ";")
	size = strings.TrimRight(size, " \t")
	n, err := strconv.ParseUint(size, 16, 63)
	if err != nil || len(size) > 16 {
		return errChunk
	}
	if c.left = int64(n); n > 0 {
		return nil
	}
	for {
		line, err := readLine(c.in, &budget)
		if err != nil {
			return cut(err)
		}
		if line == "" {
			return io.EOF
		}
	}
}

// cut says that what ends here should not.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
