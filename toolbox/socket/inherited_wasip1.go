// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// inherited is a listener that the program was started with. Closing it gives it back: the kernel
// goes on to listen at its port for as long as the container lives, and a later command may serve.
type inherited struct {
	listener
	// accepting is held by Accept: a listener is not given to somebody else before it has returned.
	accepting sync.Mutex
}

// handed are those that nobody serves.
var handed struct {
	once sync.Once
	mu   sync.Mutex
	free []*inherited
}

// Inherited takes from the listeners that were handed to the program the ones at a port, or all of
// them: port 0. Nobody else gets them before they are closed.
func Inherited(port uint16) (taken []Listener) {
	handed.once.Do(func() { handed.free = findInherited(os.Environ()) })
	handed.mu.Lock()
	defer handed.mu.Unlock()
	var free []*inherited
	for _, l := range handed.free {
		if port != 0 && l.addr.Port() != port {
			free = append(free, l)
			continue
		}
		l.accepting.Lock()
		err := l.f.SetReadDeadline(time.Time{})
		l.accepting.Unlock()
		if err == nil {
			taken = append(taken, l)
		}
	}
	handed.free = free
	return taken
}

func (l *inherited) Accept() (Conn, error) {
	l.accepting.Lock()
	defer l.accepting.Unlock()
	return l.listener.Accept()
}

// Close gives the listener back. Accept returns.
func (l *inherited) Close() error {
	handed.mu.Lock()
	defer handed.mu.Unlock()
	for _, free := range handed.free {
		if free == l {
			return os.ErrClosed
		}
	}
	handed.free = append(handed.free, l)
	return l.f.SetReadDeadline(time.Unix(1, 0))
}

const (
	// firstInherited is the first descriptor behind the standard streams. Directories may lie between.
	firstInherited = 3
	// maxInherited bounds how many descriptors are looked at.
	maxInherited = 256
)

// findInherited looks for the listeners among the sockets that LISTEN_FDS counts. There may be others:
// sockets of UDP, and the connection that brings interrupts.
func findInherited(env []string) (all []*inherited) {
	n := 0
	for _, pair := range env {
		if value, ok := strings.CutPrefix(pair, "LISTEN_FDS="); ok {
			n, _ = strconv.Atoi(value) // what is no number means none
		}
	}
	for fd := firstInherited; n > 0 && fd < maxInherited; fd++ {
		if _, errno := optionOf(int32(fd), optionType); errno != 0 {
			continue // no socket
		}
		n--
		if listens, errno := optionOf(int32(fd), optionAccepts); errno != 0 || listens == 0 {
			continue
		}
		if syscall.SetNonblock(fd, true) == nil {
			all = append(all, &inherited{listener: listenerOf(fd)})
		}
	}
	return all
}
