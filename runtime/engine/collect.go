// SPDX-License-Identifier: Apache-2.0

package engine

import (
	goruntime "runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Bounds of a worker's Go heap. Between two collections it may grow by
// heapSlack or to twice what was live, whichever is more.
const (
	heapSlack   = 4 << 20
	pollEvery   = 256 // host calls between two looks at the heap
	heapMetric  = "/memory/classes/heap/objects:bytes"
	growthRatio = 2
	tidyAbove   = 2 << 20
	idleSlack   = 512 << 10 // what a heap has to have grown since it was tidied when its guest was idle
)

// Collector collects garbage when, and only when, the guest is inside a host
// call. Go's own collector stops every thread, and a guest that computes has
// no point at which it could be stopped: the first collection would freeze
// the process, signals and control calls included.
//
// It belongs to one guest's thread.
type Collector struct {
	calls  int
	limit  uint64
	tidied uint64 // what the heap was after the last Idle
	sample [1]metrics.Sample
}

// NewCollector turns Go's own collection off, for the whole process.
func NewCollector() *Collector {
	debug.SetGCPercent(-1)
	c := &Collector{limit: heapSlack}
	c.sample[0].Name = heapMetric
	return c
}

// Collect runs now and then from a host call; most calls return at once.
func (c *Collector) Collect() {
	if c.calls++; c.calls < pollEvery {
		return
	}
	c.calls = 0
	if c.heap() < c.limit {
		return
	}
	goruntime.GC()
	c.rest()
}

// rest sets the heap at which to collect again.
func (c *Collector) rest() {
	live := c.heap()
	c.limit = max(live*growthRatio, live+heapSlack)
}

// Tidy collects what loading a module has left, more garbage than the worker
// will ever make again, and gives the memory back to the kernel. It comes
// before the guest, when stopping the world disturbs nobody; a small module is
// not worth it.
func (c *Collector) Tidy() {
	if c.heap() > tidyAbove {
		debug.FreeOSMemory()
	}
}

// Idle is for a guest that waits: it collects what the start has left, which in a
// small worker is most of the heap, and what requests leave, and gives the memory
// back to the kernel. Most calls find too little.
func (c *Collector) Idle() {
	if c.heap() < c.tidied+idleSlack {
		return
	}
	debug.FreeOSMemory()
	c.tidied = c.heap()
	c.rest()
}

// heap returns the bytes of all objects, dead ones that are not yet swept
// included. Unlike runtime.ReadMemStats it stops nobody.
func (c *Collector) heap() uint64 {
	metrics.Read(c.sample[:])
	return c.sample[0].Value.Uint64()
}
