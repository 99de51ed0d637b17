// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-streaming/pkg/streaming"

	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/sandbox"
)

const (
	// headerTimeout is what a client may take to say what it wants. The kubelet
	// does so at once.
	headerTimeout = 10 * time.Second
	// maxHeader bounds it, in bytes.
	maxHeader = 64 << 10
)

// Options are the parts a Server works with. All are needed.
type Options struct {
	// Address is where to listen, "IP:port" with a loopback IP; port 0 is any
	// free one.
	Address string
	// Sandboxes are what ports are forwarded into.
	Sandboxes *sandbox.Controller
	// Runtime runs commands and attaches to containers.
	Runtime *runtime.Controller
	// Work is told of each stream, and what it returns of its end.
	Work func() (done func())
}

// Server hands out the URLs of streams and serves them.
type Server struct {
	streams  streaming.Server
	work     func() (done func())
	http     *http.Server
	listener net.Listener
	life     *life
}

// Listen opens the server's socket and serves until Close.
func Listen(ctx context.Context, o Options) (*Server, error) {
	if err := checkLoopback(o.Address); err != nil {
		return nil, err
	}
	adoptKlog()
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("streaming: %w", err)
	}
	l := newLife()
	config := streaming.DefaultConfig
	config.BaseURL = &url.URL{Scheme: "http", Host: socket.Addr().String()}
	streams, err := streaming.NewServer(config, target{
		forwarder: forwarder{sandboxes: o.Sandboxes, life: l, linger: linger},
		commander: commander{runtime: o.Runtime, life: l},
	})
	if err != nil {
		socket.Close()
		return nil, fmt.Errorf("streaming: %w", err)
	}
	s := &Server{streams: streams, work: o.Work, listener: listener{socket}, life: l}
	s.http = &http.Server{
		Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: headerTimeout, MaxHeaderBytes: maxHeader,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
	}
	l.running.Go(func() {
		if err := s.http.Serve(s.listener); l.Err() == nil {
			log.G(ctx).WithError(err).Error("streams are served no more")
		}
	})
	return s, nil
}

// checkLoopback keeps the server, which knows no users, off every network.
func checkLoopback(address string) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("streaming: %w: %w", err, errdefs.ErrInvalidArgument)
	}
	if !a.Addr().IsLoopback() {
		return fmt.Errorf("streaming: %s: not a loopback address: %w", address, errdefs.ErrInvalidArgument)
	}
	return nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// PortForward returns the URL through which ports of a sandbox can be reached,
// once and for a minute. The request's id must be a full one. With a thousand
// URLs that nobody has used yet it is ResourceExhausted.
func (s *Server) PortForward(r *runtimeapi.PortForwardRequest) (*runtimeapi.PortForwardResponse, error) {
	return s.streams.GetPortForward(r)
}

// Exec returns the URL at which a command runs, once and for a minute; otherwise
// as PortForward.
func (s *Server) Exec(r *runtimeapi.ExecRequest) (*runtimeapi.ExecResponse, error) {
	return s.streams.GetExec(r)
}

// Attach returns the URL at which a container's own streams are, once and for a
// minute; otherwise as PortForward.
func (s *Server) Attach(r *runtimeapi.AttachRequest) (*runtimeapi.AttachResponse, error) {
	return s.streams.GetAttach(r)
}

// Close ends every stream and waits until nothing of them is left.
func (s *Server) Close() error {
	s.life.end(errClosing)
	err := s.listener.Close()
	s.life.wait()
	// What is left are connections that nobody asks anything on.
	if errors.Is(err, net.ErrClosed) { // closed before
		err = nil
	}
	return errors.Join(err, s.http.Close())
}

// connKey is the context key of the connection that a request came over.
type connKey struct{}

// serve serves one request, which for a stream is as long as its connection.
// The HTTP server forgets a connection that a stream has taken over, so that
// ending it is up to us. It is shut down and not closed: that is for the library,
// which takes a connection that somebody else has closed for a failure.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	done, err := s.life.begin()
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer done()
	defer s.work()()
	if c, ok := r.Context().Value(connKey{}).(*conn); ok {
		defer context.AfterFunc(s.life, func() {
			// An error means that the client has ended it.
			_, _ = c.CloseRead(), c.CloseWrite()
		})()
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		defer context.AfterFunc(c.gone, func() { cancel(context.Cause(c.gone)) })()
		r = r.WithContext(ctx)
	}
	s.streams.ServeHTTP(w, r)
}
