// SPDX-License-Identifier: Apache-2.0

// Package control is how the daemon speaks to a running worker: one unix
// stream socket per container, one request and one response per call. The
// socket outlives the daemon, so the next daemon finds its workers there.
//
// Versions may differ across a call, because a worker lives through an upgrade
// of the daemon: fields are added, never changed, and unknown ones ignored.
package control

//go:generate go tool easyjson -no_std_marshalers -output_filename control_easyjson.go control.go
//go:generate sed -i "/easyjson\"$/d;/easyjson[.]Marshaler$/d" control_easyjson.go

import (
	"os"
	"time"

	"github.com/wazelet/wazelet/runtime/worker/console"
	"github.com/wazelet/wazelet/runtime/worker/terminal"
)

// Methods of a worker.
const (
	methodStart     = "start"
	methodReopenLog = "reopen-log"
	methodAttach    = "attach"
	methodResize    = "resize"
)

// request is one call. A ReopenLog's file comes with the frame, and an Attach's
// in the order of the fields that announce them.
//
//easyjson:json
type request struct {
	Method string

	Stdin, Stdout, Stderr bool // attach

	Size terminal.Size // resize
}

// response answers a request that did not fail; a spec.Failure answers one
// that did.
//
//easyjson:json
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
	// Attach shows the container's output to a client and takes its input, and
	// takes the client's ends over.
	Attach(s console.Streams) error
	// Resize sets the size of the container's terminal.
	Resize(size terminal.Size) error
}
