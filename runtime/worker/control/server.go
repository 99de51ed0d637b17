// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/wire"
)

// callTimeout bounds one call on the worker's side: a peer that stalls must
// not hold a descriptor for good.
const callTimeout = 30 * time.Second

// maxCalls is how many calls are served at a time; more wait in the backlog.
const maxCalls = 16

// Serve answers calls on l until l is closed, which is its only end without
// an error. Only root may call, as seen from the worker's user namespace: in
// a rootless run that is the user who started it.
func Serve(l *net.UnixListener, h Handler) error {
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
			serveCall(conn, h)
		}()
	}
}

// serveCall answers one call. A peer that breaks the protocol or goes away
// gets nothing: there is nobody to tell.
func serveCall(conn *net.UnixConn, h Handler) {
	if err := checkPeer(conn); err != nil {
		_ = wire.Send(conn, spec.AsFailure(err))
		return
	}
	var req request
	files, err := wire.Receive(conn, &req)
	if err != nil {
		return
	}
	res, err := dispatch(h, req, files)
	if err != nil {
		_ = wire.Send(conn, spec.AsFailure(err))
		return
	}
	_ = wire.Send(conn, res)
}

// dispatch owns the files: it hands them on or closes them.
func dispatch(h Handler, req request, files []*os.File) (response, error) {
	if req.Method == methodReopenLog && len(files) == 1 {
		return response{}, h.ReopenLog(files[0])
	}
	for _, f := range files {
		f.Close()
	}
	switch req.Method {
	case methodStart:
		started, err := h.Start()
		return response{StartedAt: started}, err
	case methodReopenLog:
		return response{}, spec.Failf(spec.Invalid, "reopen log: %d files, want 1", len(files))
	default:
		return response{}, unknownMethod(req.Method)
	}
}

// checkPeer asks the kernel who connected (unix(7), SO_PEERCRED).
func checkPeer(conn *net.UnixConn) error {
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
	if cred.Uid != 0 {
		return spec.Failf(spec.Invalid, "control call by uid %d: only root may call", cred.Uid)
	}
	return nil
}
