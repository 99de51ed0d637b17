// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/console"
	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/wire"
)

// callTimeout bounds one call on the worker's side: a peer that stalls must
// not hold a descriptor for good.
const callTimeout = 30 * time.Second

// maxCalls is how many calls are served at a time; more wait in the backlog.
const maxCalls = 16

// Nobody is whom a worker in a pod's user namespace takes the host's root for:
// an id that is not mapped there (user_namespaces(7)).
const Nobody = 65534

// Serve answers calls on l until l is closed, which is its only end without an
// error. Only one user may call, as seen from the worker's user namespace: its
// root, who in a rootless run is the user who started it; or, in a pod's, Nobody.
// Who may open the socket's directory is the host's root alone in any case.
func Serve(l *net.UnixListener, caller uint32, h Handler) error {
	slots := make(chan struct{}, maxCalls)
	for {
		slots <- struct{}{}
		conn, err := l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("control socket: %w", err)
		}
		go func() {
			defer func() { <-slots }()
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(callTimeout))
			serveCall(conn, caller, h)
		}()
	}
}

// serveCall answers one call. A peer that breaks the protocol or goes away
// gets nothing: there is nobody to tell.
func serveCall(conn *net.UnixConn, caller uint32, h Handler) {
	if err := checkPeer(conn, caller); err != nil {
		_ = wire.Send(conn, spec.AsFailure(err))
		return
	}
	var req request
	files, err := wire.Receive(conn, &req)
	if err != nil {
		return
	}
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	switch {
	case req.Method == methodStart:
		begin, open := h.Start()
		_ = wire.Send(conn, response{StartedAt: begin})
		open()
	case req.Method == methodReopenLog && len(files) == 1:
		err = h.ReopenLog(files[0])
		files = nil // the handler's now
		answer(conn, err)
	case req.Method == methodReopenLog:
		answer(conn, spec.Failf(spec.Invalid, "reopen log: %d files, want 1", len(files)))
	case req.Method == methodAttach && len(files) == req.streams():
		err = h.Attach(req.take(files))
		files = nil // the handler's now
		answer(conn, err)
	case req.Method == methodAttach:
		answer(conn, spec.Failf(spec.Invalid, "attach: %d files, want %d", len(files), req.streams()))
	case req.Method == methodResize:
		answer(conn, h.Resize(req.Size))
	default:
		answer(conn, spec.Failf(spec.Invalid, "control call %.64q: this worker does not know it", req.Method))
	}
}

// streams is how many files announce themselves in an attach.
func (r request) streams() int {
	n := 0
	for _, announced := range []bool{r.Stdin, r.Stdout, r.Stderr} {
		if announced {
			n++
		}
	}
	return n
}

// take gives an attach's files their names; there are as many as announced.
func (r request) take(files []*os.File) (s console.Streams) {
	for _, stream := range []struct {
		announced bool
		file      **os.File
	}{{r.Stdin, &s.Stdin}, {r.Stdout, &s.Stdout}, {r.Stderr, &s.Stderr}} {
		if stream.announced {
			*stream.file, files = files[0], files[1:]
		}
	}
	return s
}

// answer sends an empty response or the failure.
func answer(conn *net.UnixConn, err error) {
	if err != nil {
		_ = wire.Send(conn, spec.AsFailure(err))
		return
	}
	_ = wire.Send(conn, response{})
}

// checkPeer asks the kernel who connected (unix(7), SO_PEERCRED).
func checkPeer(conn *net.UnixConn, caller uint32) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return err
	}
	if credErr != nil {
		return fmt.Errorf("peer credentials: %w", credErr)
	}
	if cred.Uid != caller {
		return spec.Failf(spec.Invalid, "control call by uid %d: only root may call", cred.Uid)
	}
	return nil
}
