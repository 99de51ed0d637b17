// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// Input is a stream that commands read one after the other: what one has not taken is left for the
// next, byte for byte, though the stream itself is read in larger pieces.
type Input struct {
	r *bufio.Reader
	// File is what is read underneath.
	File io.Reader
}

// NewInput reads a stream.
func NewInput(r io.Reader) *Input {
	switch in := r.(type) {
	case *Input:
		return in
	case standardInput:
		return in.Input
	}
	return &Input{r: bufio.NewReaderSize(r, 4096), File: r}
}

// Read reads what is there.
func (in *Input) Read(b []byte) (int, error) {
	if in.r.Buffered() == 0 && len(b) >= 4096 {
		return in.File.Read(b) // a large transfer needs no second copy
	}
	return in.r.Read(b)
}

// ReadByte reads one byte.
func (in *Input) ReadByte() (byte, error) { return in.r.ReadByte() }

// Lines reads a stream by at most a line at a time.
type Lines struct{ In *Input }

// Read returns at most the rest of a line.
func (l Lines) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if _, err := l.In.r.Peek(1); err != nil {
		return 0, err
	}
	have, err := l.In.r.Peek(min(l.In.r.Buffered(), len(b)))
	if err != nil {
		return 0, err
	}
	n := len(have)
	for i, c := range have {
		if c == '\n' {
			n = i + 1
			break
		}
	}
	copy(b, have[:n])
	return l.In.r.Discard(n)
}

// Interruptible is a stream that is at its end once the context is: a read that waits ends then, as
// far as what lies beneath can be interrupted. What goes through the poller can.
func Interruptible(ctx context.Context, r io.Reader) io.Reader {
	in := &interruptible{ctx: ctx, in: NewInput(r)}
	in.file, _ = in.in.File.(deadlined)
	context.AfterFunc(ctx, in.interrupt)
	return in
}

type deadlined interface{ SetReadDeadline(t time.Time) error }

type interruptible struct {
	ctx     context.Context
	in      *Input
	file    deadlined // nil where reading cannot be interrupted
	mu      sync.Mutex
	reading bool
}

func (r *interruptible) interrupt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reading && r.file != nil {
		_ = r.file.SetReadDeadline(time.Now()) // what has none does not wait either
	}
}

func (r *interruptible) Read(b []byte) (int, error) {
	r.mu.Lock()
	over := r.ctx.Err() != nil
	r.reading = !over
	r.mu.Unlock()
	if over {
		return 0, io.EOF
	}
	n, err := r.in.Read(b)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reading = false
	if r.ctx.Err() != nil && r.file != nil {
		_ = r.file.SetReadDeadline(time.Time{}) // for who reads it next
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = io.EOF
	}
	return n, err
}
