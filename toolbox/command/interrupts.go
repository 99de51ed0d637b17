// SPDX-License-Identifier: Apache-2.0

package command

import (
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
)

const (
	// interruptsName is what the runtime calls, in LISTEN_FDNAMES, the connection over which it tells a
	// program of its own that the user has pressed Ctrl-C: WASI has no signals.
	interruptsName = "signals"
	// firstListener is the descriptor of the first name: 0 to 2 are the standard streams, 3 is the root.
	firstListener = 4
)

// Interrupts tells who wants to know that the user has asked for an end, the last who said so.
type Interrupts struct {
	mu     sync.Mutex
	handle func()
}

// Handle has f called at each interrupt until restore is called.
func (i *Interrupts) Handle(f func()) (restore func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	before := i.handle
	i.handle = f
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.handle = before
	}
}

// Listen tells of each interrupt that comes over a connection, a byte, until its end.
func (i *Interrupts) Listen(from io.Reader) {
	for b := make([]byte, 1); ; {
		if n, err := from.Read(b); err != nil || n == 0 {
			return
		}
		i.mu.Lock()
		handle := i.handle
		i.mu.Unlock()
		if handle != nil {
			handle()
		}
	}
}

// OpenInterrupts is the connection that the environment names, nil where it names none, and the
// environment without it: it is nobody else's.
func OpenInterrupts(env []string) (*os.File, []string) {
	names, _ := Lookup(env, "LISTEN_FDNAMES")
	if names != interruptsName {
		return nil, env
	}
	var rest []string
	for _, pair := range env {
		if !strings.HasPrefix(pair, "LISTEN_FD") {
			rest = append(rest, pair)
		}
	}
	// Where it cannot be so, reading would wait with all of the program.
	if err := syscall.SetNonblock(firstListener, true); err != nil {
		return nil, rest
	}
	return os.NewFile(firstListener, interruptsName), rest
}
