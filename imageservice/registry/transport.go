// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// errStalled is the cause with which a request is cancelled that brings no byte.
var errStalled = errors.New("no data received in time")

// errTooLong ends an answer that is no blob and does not end.
var errTooLong = fmt.Errorf("answer of more than %d bytes", int64(MaxManifest))

// transport watches every request of a session.
type transport struct {
	session *Session
	base    http.RoundTripper
}

// transport puts the session's rules in front of base.
func (s *Session) transport(base http.RoundTripper) http.RoundTripper {
	if t, ok := base.(*http.Transport); ok {
		s.mu.Lock()
		s.bases = append(s.bases, t)
		s.mu.Unlock()
	}
	return &transport{session: s, base: base}
}

// RoundTrip cancels the request when its headers, or later the next byte of its body, take longer than the progress
// timeout.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	watch := newWatch(t.session.opts.ProgressTimeout, func() { cancel(errStalled) })
	req = t.session.bearer(req.WithContext(ctx))
	resp, err := t.base.RoundTrip(req)
	watch.pause()
	if err != nil {
		err = stalled(ctx, err)
		cancel(nil)
		return nil, err
	}
	limit := int64(-1)
	if !isBlob(req) {
		limit = MaxManifest
	}
	resp.Body = &body{ReadCloser: resp.Body, ctx: ctx, cancel: cancel, watch: watch, limit: limit}
	return resp, nil
}

// isBlob tells whether the request asked for a blob, itself or before it was redirected.
func isBlob(req *http.Request) bool {
	for req != nil {
		if strings.Contains(req.URL.Path, "/blobs/") {
			return true
		}
		if req.Response == nil {
			return false
		}
		req = req.Response.Request
	}
	return false
}

// body is a watched response body.
type body struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	watch  watch
	limit  int64 // bytes that may still be read; negative for no limit
}

func (b *body) Read(p []byte) (int, error) {
	b.watch.resume()
	n, err := b.ReadCloser.Read(p)
	b.watch.pause()
	if b.limit >= 0 {
		if b.limit -= int64(n); b.limit < 0 {
			return 0, errTooLong
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = stalled(b.ctx, err)
	}
	if isBroken(err) {
		err = io.ErrUnexpectedEOF // which the reader above takes as the sign to go on with a new request
	}
	return n, err
}

// isBroken tells whether a connection has failed under a body: it was reset, or TLS found other bytes than were sent.
func isBroken(err error) bool {
	var op *net.OpError
	return errors.Is(err, syscall.ECONNRESET) || errors.As(err, &op) && !op.Timeout()
}

func (b *body) Close() error {
	b.watch.pause()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

// stalled returns errStalled if that is why a request failed.
func stalled(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}

// watch calls a function when it runs for too long without a pause. It runs from the start.
type watch struct {
	timer   *time.Timer
	timeout time.Duration
}

func newWatch(timeout time.Duration, late func()) watch {
	if timeout <= 0 {
		return watch{}
	}
	return watch{timer: time.AfterFunc(timeout, late), timeout: timeout}
}

func (w watch) pause() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

func (w watch) resume() {
	if w.timer != nil {
		w.timer.Reset(w.timeout)
	}
}
