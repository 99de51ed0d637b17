// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// connections are the guest's side of serving: the sockets it listens on and the connections it has
// accepted there, which are what a drain waits for (drain.go). What the guest dialled itself is not
// among them.
type connections struct {
	// draining is set once, under mu; it is what the paths that cannot take mu look at.
	draining atomic.Bool

	mu sync.Mutex
	// listeners are the sockets that listen. Those of a drained guest are shut; their value is what
	// is left of the backlog: connections made before that, which the guest has yet to accept.
	listeners map[*Descriptor][]*Descriptor
	// open are the accepted connections, those left of a backlog included.
	open map[*Descriptor]struct{}
	// parting are connections, by the kernel's number, which a drained guest has closed and whose
	// last bytes are on their way.
	parting []int
	closed  bool // System.Close was called

	drained chan struct{} // closed when a drain has nothing left to wait for
	changed chan struct{} // one of the open connections was closed; holds one
}

func (c *connections) init() {
	c.listeners = map[*Descriptor][]*Descriptor{}
	c.open = map[*Descriptor]struct{}{}
	c.drained, c.changed = make(chan struct{}), make(chan struct{}, 1)
}

// adopt enters a socket that listens already.
func (c *connections) adopt(d *Descriptor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.listening.Store(true)
	c.listeners[d] = nil
}

// listen makes a socket listen. In a drain it only looks as if it did: nobody is to connect any more.
func (c *connections) listen(d *Descriptor, backlog int) Errno {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.draining.Load() {
		if err := unix.Listen(d.fd, backlog); err != nil {
			return ErrnoOf(err)
		}
	}
	d.listening.Store(true)
	if _, before := c.listeners[d]; !before {
		c.listeners[d] = nil
	}
	return ESUCCESS
}

// accept takes a connection from a listener without waiting: EAGAIN. Doing so under the lock means
// that no connection comes up between a look at what is open and the verdict that nothing is.
func (c *connections) accept(d *Descriptor) (*Descriptor, Errno) {
	c.mu.Lock()
	defer c.mu.Unlock()
	left, listening := c.listeners[d]
	if !listening || !c.draining.Load() {
		return c.take(d)
	}
	if len(left) == 0 {
		return nil, EAGAIN
	}
	n := left[0]
	left[0] = nil
	c.listeners[d] = left[1:]
	return n, ESUCCESS
}

// take accepts from the kernel.
func (c *connections) take(d *Descriptor) (*Descriptor, Errno) {
	if !d.nonblock && pollNow(d.fd, unix.POLLIN) == 0 {
		return nil, EAGAIN // an inherited one, which its other owners want to wait on
	}
	for {
		fd, _, e := unix.Syscall6(unix.SYS_ACCEPT4, uintptr(d.fd), 0, 0,
			unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0, 0)
		switch errno := fromKernel(e); errno {
		case ESUCCESS:
			n := d.sys.newDescriptor(int(fd), d.kind)
			n.waits, n.nonblock = true, true
			n.accepted = &connection{}
			c.open[n] = struct{}{}
			return n, ESUCCESS
		case EINTR:
		default:
			return nil, errno
		}
	}
}

// pending says whether a drain left the listener something to accept.
func (c *connections) pending(d *Descriptor) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.listeners[d]) > 0
}

// forget ends the bookkeeping of a listener or connection that its last holder closes. With true the
// kernel's descriptor stays open, and is the drain's to close.
func (c *connections) forget(d *Descriptor) (kept bool) {
	c.mu.Lock()
	left := c.listeners[d]
	delete(c.listeners, d)
	delete(c.open, d)
	if kept = d.accepted != nil && c.partLater(d.fd); kept {
		c.parting = append(c.parting, d.fd)
	}
	c.mu.Unlock()
	for _, n := range left {
		n.Release()
	}
	select {
	case c.changed <- struct{}{}:
	default:
	}
	return kept
}

// partLater begins to close a connection of a drained guest whose last bytes the peer does not have
// yet. Closing alone would leave them to the kernel, and the end of the process, which comes next, to
// whoever takes down the pod's network.
func (c *connections) partLater(fd int) bool {
	return c.draining.Load() && !c.closed && unix.Shutdown(fd, unix.SHUT_WR) == nil && !delivered(fd)
}

// close gives up what only a drain still holds.
func (c *connections) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, fd := range c.parting {
		_ = unix.Close(fd)
	}
	c.parting = nil
}
