// SPDX-License-Identifier: Apache-2.0

package engine

import (
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// gateWait is how long a collection waits for guests that compute, while
	// all others wait for it.
	gateWait = 100 * time.Millisecond
	// gateRetry is the pause after a collection that was given up.
	gateRetry = time.Second
	// heapCeiling is the heap in bytes, beyond twice what was live, from which
	// on a collection is not given up any more.
	heapCeiling = 64 << 20
)

// gate lets garbage be collected beside several guests. A guest passes it on
// every way into its code and out again; a collection shuts it, waits until
// nobody is inside, and runs while all guests are in host calls or held here.
//
// A guest that computes for long would hold up the others: the collection is
// given up after gateWait and tried again later. Only when the heap has grown
// to its ceiling everybody waits for the one, and whoever runs the guests ends
// those whose time is over.
type gate struct {
	mu     sync.Mutex
	inside int
	opens  chan struct{} // closed when the gate opens; nil while it is open
	empty  chan struct{} // closed when the last guest has come out; nil when nobody asks

	calls     atomic.Uint32
	looking   sync.Mutex // who looks at the heap, and collects; guards the rest
	collector *Collector
	notBefore time.Time
}

// enter lets a guest into its code, waiting for a collection to end.
func (g *gate) enter() {
	g.mu.Lock()
	for g.opens != nil {
		opens := g.opens
		g.mu.Unlock()
		<-opens
		g.mu.Lock()
	}
	g.inside++
	g.mu.Unlock()
}

// leave says that a guest has come out of its code.
func (g *gate) leave() {
	g.mu.Lock()
	g.inside--
	if g.inside == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
	g.mu.Unlock()
}

// collect runs now and then from host calls; most calls return at once.
func (g *gate) collect() {
	if g.calls.Add(1)%pollEvery == 0 {
		g.look()
	}
}

// look collects if there is enough garbage. The caller is not inside.
func (g *gate) look() {
	if !g.looking.TryLock() {
		return // somebody else is at it
	}
	defer g.looking.Unlock()
	heap := g.collector.heap()
	if heap < g.collector.limit {
		return
	}
	wait := gateWait
	if heap >= g.collector.limit+heapCeiling {
		wait = 0
	} else if time.Now().Before(g.notBefore) {
		return
	}
	if !g.shut(wait) {
		g.notBefore = time.Now().Add(gateRetry)
		return
	}
	defer g.open()
	goruntime.GC()
	g.collector.rest()
}

// shut shuts the gate and waits until nobody is inside, for so long, or with 0
// for ever. It reports whether it is shut; if not, it is open again.
func (g *gate) shut(wait time.Duration) bool {
	g.mu.Lock()
	g.opens = make(chan struct{})
	if g.inside == 0 {
		g.mu.Unlock()
		return true
	}
	empty := make(chan struct{})
	g.empty = empty
	g.mu.Unlock()
	var late <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-empty:
		return true
	case <-late:
	}
	g.mu.Lock()
	g.empty = nil
	shut := g.inside == 0 // the last one came out just now
	g.mu.Unlock()
	if !shut {
		g.open()
	}
	return shut
}

// open lets the waiting guests in.
func (g *gate) open() {
	g.mu.Lock()
	close(g.opens)
	g.opens = nil
	g.mu.Unlock()
}
