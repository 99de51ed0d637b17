// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/wazelet/wazelet/runtime/worker/terminal"
)

// TerminalSize is a terminal's, in characters.
type TerminalSize = terminal.Size

// Streams are a client's sides of a program's stdio. One that is nil is a stream
// the client does not have.
type Streams struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Resize tells the sizes of the client's window; closed when it tells no
	// more. nil for a client without a terminal.
	Resize <-chan TerminalSize
}

// plumbing joins a client's streams with pipes, whose other ends are a
// worker's. What reads from the client goes on until the client's stream ends,
// which whoever gave it sees to.
type plumbing struct {
	theirs, ours []*os.File
	flow         []func() // what moves bytes, started when the worker has its ends
	outputs      sync.WaitGroup
}

// input returns the end a worker reads from; nil for no input.
func (p *plumbing) input(from io.Reader) (*os.File, error) {
	if from == nil {
		return nil, nil
	}
	r, w, err := p.pipe()
	if err != nil {
		return nil, err
	}
	p.theirs, p.ours = append(p.theirs, r), append(p.ours, w)
	p.flow = append(p.flow, func() {
		go func() {
			_, _ = io.Copy(w, from)
			w.Close()
		}()
	})
	return r, nil
}

// output returns the end a worker writes to; nil for no output.
func (p *plumbing) output(to io.Writer) (*os.File, error) {
	if to == nil {
		return nil, nil
	}
	r, w, err := p.pipe()
	if err != nil {
		return nil, err
	}
	p.theirs, p.ours = append(p.theirs, w), append(p.ours, r)
	p.flow = append(p.flow, func() { p.outputs.Go(func() { drain(to, r) }) })
	return w, nil
}

// drain moves output to a client. When the client takes no more of it, closing
// the pipe tells the program so.
func drain(to io.Writer, from *os.File) {
	_, _ = io.Copy(to, from)
	from.Close()
}

func (p *plumbing) pipe() (r, w *os.File, err error) {
	if r, w, err = os.Pipe(); err != nil {
		return nil, nil, fmt.Errorf("stdio: %w", err)
	}
	return r, w, nil
}

// terminal makes a terminal for a command and returns the command's end.
func (p *plumbing) terminal(s Streams) (*os.File, error) {
	master, slave, err := terminal.Open()
	if err != nil {
		return nil, err
	}
	p.theirs, p.ours = append(p.theirs, slave), append(p.ours, master)
	if s.Stdin != nil {
		p.flow = append(p.flow, func() { go func() { _, _ = io.Copy(master, s.Stdin) }() })
	}
	to := s.Stdout
	if to == nil {
		to = io.Discard // the command must not wait for room
	}
	p.flow = append(p.flow, func() { p.outputs.Go(func() { drain(to, master) }) })
	p.flow = append(p.flow, func() { follow(s.Resize, func(size TerminalSize) error { return size.Resize(master) }) })
	return slave, nil
}

// follow passes on each size of the client's window until it tells no more or
// nobody wants to know.
func follow(sizes <-chan TerminalSize, resize func(TerminalSize) error) {
	if sizes == nil {
		return
	}
	go func() {
		failed := false
		for size := range sizes {
			failed = failed || resize(size) != nil
		}
	}()
}

// handedOver closes the worker's ends, of which it has its own by now, and lets
// the streams flow.
func (p *plumbing) handedOver() {
	closeFiles(p.theirs)
	p.theirs = nil
	for _, begin := range p.flow {
		begin()
	}
	p.flow = nil
}

// drained is closed when all output has reached the client, or the client has
// gone.
func (p *plumbing) drained() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		p.outputs.Wait()
		close(done)
	}()
	return done
}

// close ends all that still flows.
func (p *plumbing) close() {
	closeFiles(p.theirs)
	closeFiles(p.ours)
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
