// SPDX-License-Identifier: Apache-2.0

// Package control is how the daemon speaks to a running worker: one unix
// stream socket per container, one request and one response per call. The
// socket outlives the daemon, so the next daemon finds its workers there.
//
// Versions may differ across a call, because a worker lives through an upgrade
// of the daemon: fields are added, never changed, and unknown ones ignored.
package control

import (
	"os"
	"time"
)

// Methods of a worker.
const (
	methodStart     = "start"
	methodReopenLog = "reopen-log"
)

// request is one call. A ReopenLog's file comes with the frame.
type request struct {
	Method string
}

// response answers a request that did not fail; a spec.Failure answers one
// that did.
type response struct {
	StartedAt time.Time // start
}

// Handler is what a worker can be asked to do. Its methods are called from
// several goroutines.
type Handler interface {
	// Start says when the guest begins to run, again: the same time, and
	// returns the function that lets it. That is called once the answer is on
	// its way, because the guest may end the process at once.
	Start() (begin time.Time, open func())
	// ReopenLog makes f the log from the next line on, and takes it over.
	ReopenLog(f *os.File) error
}
