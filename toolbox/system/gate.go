// SPDX-License-Identifier: Apache-2.0

package system

import (
	"io"
	goruntime "runtime"
	"sync"

	"github.com/wazelet/wazelet/toolbox/command"
)

// gate is the output of a command whose time may run out: it cannot be killed, so what it writes
// after that ends it.
type gate struct {
	out    io.Writer
	mu     sync.Mutex
	closed bool
}

func (g *gate) Write(b []byte) (int, error) {
	goruntime.Gosched() // one thread serves the clock too
	g.mu.Lock()
	closed := g.closed
	g.mu.Unlock()
	if closed {
		command.BreakPipe()
	}
	return g.out.Write(b)
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

// Terminal says whether what lies behind is one.
func (g *gate) Terminal() bool { return command.IsTerminal(g.out) }
