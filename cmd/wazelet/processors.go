// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	goruntime "runtime"
	"sync"
	"time"
)

// quiet is how long nothing has to be worked at for a daemon to be at rest.
const quiet = 10 * time.Second

// processors has the daemon use one processor for as long as it is only asked: a kubelet asks for
// the containers' statuses one after the other, and with one processor no other thread
// is woken for each call to see whether there is something left to do, which was half of what a
// call took. What changes something has all of them at once.
type processors struct {
	all func() // gives the process all processors it may use

	mu    sync.Mutex
	works int
	one   bool
	rest  *time.Timer
}

// newProcessors returns processors of which all are in use, until end.
func newProcessors() *processors {
	all := goruntime.SetDefaultGOMAXPROCS
	if os.Getenv("GOMAXPROCS") != "" {
		most := goruntime.GOMAXPROCS(0)
		all = func() { goruntime.GOMAXPROCS(most) }
	}
	p := &processors{all: all}
	p.rest = time.AfterFunc(quiet, p.settle)
	return p
}

// begin is for work that has begun; what it returns, for its end.
func (p *processors) begin() (done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.works++
	p.rest.Stop()
	if p.one {
		p.one = false
		p.all()
	}
	return p.done
}

func (p *processors) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.works--; p.works == 0 {
		p.rest.Reset(quiet)
	}
}

func (p *processors) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.works == 0 && !p.one {
		p.one = true
		goruntime.GOMAXPROCS(1)
	}
}

// end leaves the processors as they are.
func (p *processors) end() { p.rest.Stop() }
