// SPDX-License-Identifier: Apache-2.0

package console

import (
	"fmt"
	"io"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// pump moves what a guest writes to its terminal to where output goes. The
// guest writes into the kernel, so somebody has to fetch it.
type pump struct {
	raw syscall.RawConn // the master
	to  io.Writer

	mu     sync.Mutex // held from a read to the write of what it brought
	buffer [8 << 10]byte
}

// Watch starts to move the terminal's output to to. It is called once, for a
// console of a terminal.
func (c *Console) Watch(to io.Writer) error {
	raw, err := c.input.SyscallConn()
	if err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	c.terminal = &pump{raw: raw, to: to}
	go c.terminal.run()
	return nil
}

// Drain moves what is left of a terminal's output; it comes last, when the
// guest writes no more. Without a terminal there is nothing to do.
func (c *Console) Drain() {
	if c.terminal == nil {
		return
	}
	_ = c.terminal.raw.Control(func(fd uintptr) {
		for c.terminal.move(int(fd)) {
		}
	})
}

// run moves output until the terminal is gone. It waits in the poller: no
// thread is held.
func (p *pump) run() {
	_ = p.raw.Read(func(fd uintptr) bool {
		for p.move(int(fd)) {
		}
		return false
	})
}

// move fetches once and says whether there may be more. A read that finds
// nothing has waited for the kernel to pass everything on (n_tty_read).
func (p *pump) move(fd int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, err := unix.Read(fd, p.buffer[:])
	if n <= 0 {
		return err == unix.EINTR
	}
	_, _ = p.to.Write(p.buffer[:n])
	return true
}
