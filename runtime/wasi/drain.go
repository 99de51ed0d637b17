// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// How a drain looks after its connections.
const (
	// lookEvery is how long it takes at most to see that one has become idle, or has parted.
	lookEvery = 50 * time.Millisecond
	// idleAfter is how long one must have been quiet to be idle: time for a client that holds an
	// answer to say what it wants next.
	idleAfter = 500 * time.Millisecond
	// maxBacklog bounds what is accepted on behalf of the guest, per listener: the kernel's own
	// bound (net.core.somaxconn) where nobody has raised it.
	maxBacklog = 4096
)

// connection is what a drain needs to know of an accepted connection.
type connection struct {
	traffic atomic.Uint32

	// The drain's own, under connections.mu.
	quietSince time.Time
	ended      bool // the guest has been told that nothing more comes
}

// What connection.traffic is made of.
const (
	moved   = 1 << iota // there was a transfer since the drain last looked
	asked               // the last one was a read: the peer waits for an answer
	reading             // a read is under way; kept in drains alone
)

// begin comes before a transfer, event being its direction. Between a read and the note of it, the
// kernel has nothing unread any more: the connection would look idle.
func (d *Descriptor) begin(event int16) {
	if d.accepted != nil && event == unix.POLLIN && d.sys.connections.draining.Load() {
		d.accepted.traffic.Or(reading)
	}
}

// moved comes after a transfer of n bytes. Outside of drains what it notes changes with the direction
// alone, so this costs next to nothing.
func (d *Descriptor) moved(event int16, n int) {
	if d.accepted == nil {
		return
	}
	had := d.accepted.traffic.Load()
	now := had &^ reading
	if n > 0 {
		if now = moved; event == unix.POLLIN {
			now |= asked
		}
	}
	if now != had {
		d.accepted.traffic.Store(now)
	}
}

// Drain lets the guest finish what it serves and nothing else. The channel it returns is closed once
// no accepted connection is open: at once where there is none. Calling it again changes nothing.
//
// Its listeners are shut: clients are refused, also for whoever else holds those sockets. The guest
// keeps its descriptors, which just never become ready again; to a guest that waits in accept, no
// client comes. What clients had already connected is still accepted.
//
// Servers keep connections open for the client's next request, some for minutes. So a connection that
// is idle reads as ended from then on, as if the client had closed its side, and the server closes
// it. Idle is a connection whose last transfer was a write of the guest's or that never had one, with
// nothing unread, all of it acknowledged by the peer, and quiet for idleAfter. One that was read from
// last is being worked on, and is left alone until it is answered.
//
// What the guest writes last before it closes a connection has reached the peer before that
// connection counts as closed.
func (s *System) Drain() <-chan struct{} {
	c := &s.connections
	if c.begin() {
		if c.look() {
			close(c.drained)
		} else {
			go c.watch()
		}
	}
	return c.drained
}

// begin shuts the listeners. The flag comes first: a poll or accept that this wakes must find it set.
func (c *connections) begin() (first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining.Swap(true) {
		return false
	}
	for d := range c.listeners {
		c.listeners[d] = c.backlog(d)
		// It listens no more, and wakes who waits for it.
		_ = unix.Shutdown(d.fd, unix.SHUT_RD)
	}
	now := time.Now()
	for d := range c.open {
		d.accepted.quietSince = now
	}
	return true
}

// backlog accepts what has connected: shutting a listener resets those connections, requests under
// way included.
func (c *connections) backlog(d *Descriptor) (list []*Descriptor) {
	for len(list) < maxBacklog {
		n, errno := c.take(d)
		switch errno {
		case ESUCCESS:
			list = append(list, n)
		case ECONNABORTED: // that one is gone
		default:
			return list
		}
	}
	return list
}

// watch looks after the connections until there are none.
func (c *connections) watch() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for !c.look() {
		select {
		case <-ticker.C:
		case <-c.changed:
		}
	}
	close(c.drained)
}

// look ends what is idle and says whether nothing is left.
func (c *connections) look() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for d := range c.open {
		if d.accepted.idle(d.fd, now) {
			d.accepted.ended = true
			_ = unix.Shutdown(d.fd, unix.SHUT_RD)
		}
	}
	for l, left := range c.listeners {
		c.listeners[l] = slices.DeleteFunc(left, c.drop)
	}
	c.parting = slices.DeleteFunc(c.parting, part)
	return len(c.open)+len(c.parting) == 0
}

// drop closes a connection that has ended before the guest accepted it.
func (c *connections) drop(d *Descriptor) bool {
	if !d.accepted.ended {
		return false
	}
	delete(c.open, d)
	_ = unix.Close(d.fd)
	return true
}

// part closes a connection once its last bytes are with the peer.
func part(fd int) bool {
	if !delivered(fd) {
		return false
	}
	_ = unix.Close(fd)
	return true
}

// idle says whether the connection has become idle.
func (n *connection) idle(fd int, now time.Time) bool {
	if n.ended {
		return false
	}
	traffic := n.traffic.Load()
	if traffic&moved != 0 {
		n.traffic.CompareAndSwap(traffic, traffic&^moved)
		n.quietSince = now
	}
	if traffic&(asked|reading) != 0 || now.Sub(n.quietSince) < idleAfter {
		return false
	}
	if unread, err := unix.IoctlGetInt(fd, unix.TIOCINQ); err != nil || unread > 0 {
		return false
	}
	if info, ok := tcpInfo(fd); ok && info.Unacked+info.Notsent_bytes > 0 {
		return false
	}
	return n.traffic.Load() == traffic // else a read beside this took what was unread
}

// delivered says whether a connection shut for writing has nothing more to deliver: the peer has
// acknowledged the end of the stream, or is gone.
func delivered(fd int) bool {
	info, ok := tcpInfo(fd)
	if !ok {
		return true // not TCP: what was written is with the peer already
	}
	switch info.State {
	case unix.BPF_TCP_ESTABLISHED, unix.BPF_TCP_CLOSE_WAIT,
		unix.BPF_TCP_FIN_WAIT1, unix.BPF_TCP_LAST_ACK, unix.BPF_TCP_CLOSING:
		return false
	}
	return true
}

// tcpInfo is what the kernel knows of a connection (tcp(7), TCP_INFO); false where it is not TCP. The
// wrapper in package unix allocates, and nobody collects while a guest computes.
func tcpInfo(fd int) (info unix.TCPInfo, ok bool) {
	n := uint32(unsafe.Sizeof(info))
	_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&n)), 0)
	return info, e == 0
}
