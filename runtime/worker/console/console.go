// SPDX-License-Identifier: Apache-2.0

// Package console is where a container's stdio meets those who attach to it. The
// guest's output goes to the log and to every attached session; what sessions
// type goes to the guest's stdin, a pipe or a terminal.
//
// A session sees what is written while it is attached, never what was before.
package console

import (
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/terminal"
)

const (
	// maxSessions bounds who is attached to one container.
	maxSessions = 32
	// patience is how long the guest waits for a session that does not read what
	// it asked for. Then the session is cut off: the container is more than its
	// spectators.
	patience = 10 * time.Second
	// chunk is how much input is moved at a time.
	chunk = 32 << 10
)

// Console joins one guest with its sessions. Its methods are safe for
// concurrent use.
type Console struct {
	kind spec.Input
	once bool // the first session's end of input is the guest's

	mu       sync.Mutex
	input    *os.File // nil when there is no stdin, or no more
	sessions []*session
	terminal *pump // of a terminal only
}

// New makes the console of a container whose stdin is of the given kind. input
// is its far end (spec.InputFD), which the console owns; nil for none.
func New(kind spec.Input, once bool, input *os.File) *Console {
	return &Console{kind: kind, once: once, input: input}
}

// session is one client that watches. Its pipes are non-blocking; one it did not
// ask for is nil.
type session struct {
	stdout, stderr *os.File
}

// Streams are a client's pipes: the end of Stdin to read from, those of Stdout and
// Stderr to write to. One that is nil the client does not want.
type Streams struct {
	Stdin, Stdout, Stderr *os.File
}

// Files lists the streams there are: stdin, stdout, stderr.
func (s Streams) Files() []*os.File {
	return slices.DeleteFunc([]*os.File{s.Stdin, s.Stdout, s.Stderr}, func(f *os.File) bool { return f == nil })
}

// Close closes the streams there are.
func (s Streams) Close() {
	for _, f := range s.Files() {
		f.Close()
	}
}

// Attach adds a session and takes its files over. It ends when the client
// closes its ends, or with the container.
func (c *Console) Attach(s Streams) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions = slices.DeleteFunc(c.sessions, (*session).left)
	if len(c.sessions) >= maxSessions {
		s.Close()
		return spec.Failf(spec.FailedPrecondition, "attach: %d clients are attached already", len(c.sessions))
	}
	if s.Stdout != nil || s.Stderr != nil {
		c.sessions = append(c.sessions, &session{stdout: s.Stdout, stderr: s.Stderr})
	}
	if s.Stdin != nil {
		go c.feed(s.Stdin)
	}
	return nil
}

// Resize sets the size of the container's terminal.
func (c *Console) Resize(size terminal.Size) error {
	if c.kind != spec.InputTerminal {
		return spec.Failf(spec.FailedPrecondition, "resize: the container has no terminal")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.input == nil {
		return spec.Failf(spec.FailedPrecondition, "resize: the container's terminal is gone")
	}
	return size.Resize(c.input)
}

// feed moves what one session types to the guest. Only its client's end or the
// guest's ends it.
func (c *Console) feed(from *os.File) {
	defer from.Close()
	c.mu.Lock()
	to := c.input
	c.mu.Unlock()
	buffer := make([]byte, chunk)
	for to != nil {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, failed := to.Write(buffer[:n]); failed != nil {
				return // the guest has closed its stdin, or an earlier session did
			}
		}
		if err != nil {
			break
		}
	}
	if c.once && c.kind == spec.InputPipe {
		c.endInput()
	}
}

// endInput lets the guest's reads meet the end of the file.
func (c *Console) endInput() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.input != nil {
		c.input.Close()
		c.input = nil
	}
}

// Stdout returns what a guest's stdout goes to besides log.
func (c *Console) Stdout(log io.Writer) io.Writer { return output{c, log, stdoutOf} }

// Stderr returns what a guest's stderr goes to besides log.
func (c *Console) Stderr(log io.Writer) io.Writer { return output{c, log, stderrOf} }

// output is one stream of the guest.
type output struct {
	console *Console
	log     io.Writer
	of      func(*session) *os.File
}

func stdoutOf(s *session) *os.File { return s.stdout }
func stderrOf(s *session) *os.File { return s.stderr }

// Write logs p and shows it to every session that wants the stream. It fails
// only as the log does.
func (o output) Write(p []byte) (int, error) {
	n, err := o.log.Write(p)
	o.console.show(p, o.of)
	return n, err
}

// show hands p to the sessions. One that cannot take it is dropped.
func (c *Console) show(p []byte, of func(*session) *os.File) {
	c.mu.Lock()
	if len(c.sessions) == 0 {
		c.mu.Unlock()
		return
	}
	watching := slices.Clone(c.sessions)
	c.mu.Unlock()
	for _, s := range watching {
		f := of(s)
		if f == nil {
			continue
		}
		_ = f.SetWriteDeadline(time.Now().Add(patience))
		if _, err := f.Write(p); err != nil {
			c.drop(s)
		}
	}
}

// drop ends a session's output.
func (c *Console) drop(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.sessions, s); i >= 0 {
		c.sessions = slices.Delete(c.sessions, i, i+1)
		s.close()
	}
}

// left says, and cleans up, that a session's client has closed all it had.
func (s *session) left() bool {
	for _, f := range []*os.File{s.stdout, s.stderr} {
		if f != nil && !closedByPeer(f) {
			return false
		}
	}
	s.close()
	return true
}

// closedByPeer asks the kernel whether a pipe has no reader (poll(2), POLLERR).
func closedByPeer(f *os.File) bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return true
	}
	gone := true
	err = raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(fds, 0)
		gone = err == nil && n == 1 && fds[0].Revents&unix.POLLERR != 0
	})
	return gone || errors.Is(err, os.ErrClosed)
}

func (s *session) close() {
	for _, f := range []*os.File{s.stdout, s.stderr} {
		if f != nil {
			f.Close()
		}
	}
}
