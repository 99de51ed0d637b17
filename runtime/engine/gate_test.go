// SPDX-License-Identifier: Apache-2.0

package engine

import (
	goruntime "runtime"
	"testing"
	"time"
)

// collections counts the garbage collections of this process.
func collections() uint32 {
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return m.NumGC
}

// greedyGate is one that collects at every look.
func greedyGate() *gate {
	c := &Collector{}
	c.sample[0].Name = heapMetric
	return &gate{collector: c}
}

func TestGateCollectsWhenNobodyComputes(t *testing.T) {
	g := greedyGate()
	g.enter()
	g.leave()
	before := collections()
	g.look()
	if collections() == before || g.collector.limit < heapSlack {
		t.Errorf("nothing collected, next at %d", g.collector.limit)
	}
	g.enter() // it is open again
	g.leave()
}

func TestGateWaitsForAShortComputation(t *testing.T) {
	g := greedyGate()
	g.enter()
	before, done := collections(), make(chan struct{})
	go func() { defer close(done); g.look() }()
	g.awaitShut()
	entered := make(chan struct{})
	go func() { g.enter(); close(entered) }()
	g.leave()
	<-done
	<-entered
	if collections() == before {
		t.Error("nothing collected")
	}
}

func TestGateGivesUpOnALongComputation(t *testing.T) {
	g := greedyGate()
	g.collector.limit = g.collector.heap() / 2
	g.enter()
	began := time.Now()
	g.look()
	if took := time.Since(began); took < gateWait || g.opens != nil || g.empty != nil {
		t.Errorf("given up after %s, gate %+v", took, g)
	}
	began = time.Now()
	g.look() // too soon to try again
	if took := time.Since(began); took >= gateWait {
		t.Errorf("tried again at once, for %s", took)
	}
}

func TestGateInsistsAtTheCeiling(t *testing.T) {
	g := greedyGate()
	keep := make([]byte, heapCeiling+1)
	g.enter()
	before, done := collections(), make(chan struct{})
	go func() { defer close(done); g.look() }()
	g.awaitShut()
	select {
	case <-done:
		t.Fatal("given up")
	case <-time.After(2 * gateWait):
	}
	g.leave()
	<-done
	if collections() == before {
		t.Error("nothing collected")
	}
	goruntime.KeepAlive(keep)
}

// awaitShut returns once a collection waits.
func (g *gate) awaitShut() {
	for {
		g.mu.Lock()
		shut := g.empty != nil
		g.mu.Unlock()
		if shut {
			return
		}
		goruntime.Gosched()
	}
}
