// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// reader reads the files of one directory after the other. A node reads thousands of
// them a minute: they are read into the same buffer, and their numbers taken out of it.
// Files are not kept open, because a node has more of them than a process may have.
type reader struct {
	dir int // opened as a path; -1 is none
	buf []byte
	// data is what was read last, a part of buf.
	data []byte
	// missed says that a file was not there.
	missed bool
}

// readers are those of no use at the moment. 4 KiB hold every file that is read.
var readers = sync.Pool{New: func() any { return &reader{dir: -1, buf: make([]byte, 4<<10)} }}

func newReader() *reader { return readers.Get().(*reader) }

// close makes the reader another's.
func (r *reader) close() {
	r.leave()
	r.data, r.missed = nil, false
	readers.Put(r)
}

func (r *reader) leave() {
	if r.dir >= 0 {
		unix.Close(r.dir)
	}
	r.dir = -1
}

// enter makes dir the one whose files are read.
func (r *reader) enter(dir string) (err error) {
	r.leave()
	if r.dir, err = unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return nil
}

// read reads a file. found is false where there is none.
func (r *reader) read(name string) (found bool, err error) {
	r.data = nil
	fd, err := unix.Openat(r.dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		r.missed = true
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	defer unix.Close(fd)
	for n := 0; ; {
		more, err := unix.Read(fd, r.buf[n:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EOPNOTSUPP) { // gone since, or pressure that is not accounted for
			r.missed = true
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("%s: %w", name, err)
		}
		if n += more; n < len(r.buf) { // the kernel gives a file of a cgroup at once
			r.data = r.buf[:n]
			return true, nil
		}
		r.buf = append(r.buf, make([]byte, len(r.buf))...)
	}
}

// number reads a file that is a number, or "max", which is the greatest. Where there is
// none, the number stays.
func (r *reader) number(name string, to *uint64) error {
	if found, err := r.read(name); !found {
		return err
	}
	n, err := parseNumber(r.data)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	*to = n
	return nil
}

// pairs reads a file of lines that are a name and a number; other lines are left out.
func (r *reader) pairs(name string, each func(key []byte, value uint64)) error {
	if found, err := r.read(name); !found {
		return err
	}
	for rest := r.data; len(rest) > 0; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, newline)
		key, text, _ := bytes.Cut(line, space)
		if value, err := parseNumber(text); err == nil {
			each(key, value)
		}
	}
	return nil
}

var (
	newline = []byte{'\n'}
	space   = []byte{' '}
)

func parseNumber(text []byte) (uint64, error) {
	text = bytes.TrimSpace(text)
	if string(text) == "max" {
		return math.MaxUint64, nil
	}
	n := uint64(0)
	for _, c := range text {
		if c < '0' || c > '9' || n > math.MaxUint64/10-1 {
			return strconv.ParseUint(string(text), 10, 64) // it knows what is wrong, if anything
		}
		n = n*10 + uint64(c-'0')
	}
	if len(text) == 0 {
		return 0, strconv.ErrSyntax
	}
	return n, nil
}

// pressure reads a file of PSI; nil where the kernel does not tell.
func (r *reader) pressure(name string) (*Pressure, error) {
	found, err := r.read(name)
	if !found {
		return nil, err
	}
	p, err := parsePressure(r.data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

func parsePressure(text []byte) (*Pressure, error) {
	p := &Pressure{}
	for line := range bytes.Lines(text) {
		words := bytes.Fields(line)
		if len(words) == 0 {
			continue
		}
		var of *PressureTime
		switch string(words[0]) {
		case "some":
			of = &p.Some
		case "full":
			of = &p.Full
		default:
			continue
		}
		for _, word := range words[1:] {
			key, value, _ := bytes.Cut(word, []byte{'='})
			if err := of.set(string(key), string(value)); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

func (t *PressureTime) set(key, value string) (err error) {
	switch key {
	case "avg10":
		t.Avg10, err = strconv.ParseFloat(value, 64)
	case "avg60":
		t.Avg60, err = strconv.ParseFloat(value, 64)
	case "avg300":
		t.Avg300, err = strconv.ParseFloat(value, 64)
	case "total":
		t.Total, err = strconv.ParseUint(value, 10, 64)
	}
	return err
}
