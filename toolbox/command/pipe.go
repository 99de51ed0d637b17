// SPDX-License-Identifier: Apache-2.0

package command

import (
	"io"
	"sync"
)

// pipeSize is how much a pipe holds, as a kernel's does.
const pipeSize = 64 << 10

// pipe is a bounded buffer between two commands.
type pipe struct {
	mu     sync.Mutex
	change sync.Cond
	data   []byte
	// written says that nothing more comes, closed that nobody reads.
	written, closed bool
}

// PipeReader is the end of a pipe that is read.
type PipeReader struct{ p *pipe }

// PipeWriter is the end of a pipe that is written.
type PipeWriter struct{ p *pipe }

// Pipe makes a pipe. Writing to one that nobody reads ends the command that writes, as SIGPIPE does:
// see Guard.
func Pipe() (*PipeReader, *PipeWriter) {
	p := &pipe{}
	p.change.L = &p.mu
	return &PipeReader{p}, &PipeWriter{p}
}

// Read waits for data; io.EOF once the other end is closed.
func (r *PipeReader) Read(b []byte) (int, error) {
	p := r.p
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.data) == 0 && !p.written && !p.closed {
		p.change.Wait()
	}
	if len(p.data) == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	n := copy(b, p.data)
	if p.data = p.data[n:]; len(p.data) == 0 {
		p.data = nil
	}
	p.change.Broadcast()
	return n, nil
}

// Close says that nobody reads any more.
func (r *PipeReader) Close() error {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	r.p.closed, r.p.data = true, nil
	r.p.change.Broadcast()
	return nil
}

// Write waits for room.
func (w *PipeWriter) Write(b []byte) (n int, err error) {
	p := w.p
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(b) > 0 {
		for len(p.data) >= pipeSize && !p.closed {
			p.change.Wait()
		}
		if p.closed {
			panic(brokenPipe{})
		}
		k := min(len(b), pipeSize-len(p.data))
		p.data = append(p.data, b[:k]...)
		n, b = n+k, b[k:]
		p.change.Broadcast()
	}
	return n, nil
}

// Close says that nothing more comes.
func (w *PipeWriter) Close() error {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	w.p.written = true
	w.p.change.Broadcast()
	return nil
}

// brokenPipe unwinds a command that writes where nobody reads.
type brokenPipe struct{}

// CodeBrokenPipe is the exit code of what SIGPIPE ended.
const CodeBrokenPipe = 128 + 13

// BreakPipe ends the command that calls it as SIGPIPE does.
func BreakPipe() { panic(brokenPipe{}) }

// Guard runs do, and returns 141 where it wrote to a pipe that nobody reads. The commands themselves
// need not look whether writing worked: endless ones end.
func Guard(do func() int) (code int) {
	defer func() {
		switch cause := recover(); cause {
		case nil:
		case brokenPipe{}:
			code = CodeBrokenPipe
		default:
			panic(cause)
		}
	}()
	return do()
}
