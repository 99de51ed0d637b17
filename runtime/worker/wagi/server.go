// SPDX-License-Identifier: Apache-2.0

package wagi

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/wazelet/wazelet/runtime/engine"
	"github.com/wazelet/wazelet/runtime/wasi"
)

// Options say what to serve with.
type Options struct {
	Program *engine.Program
	// Env and Preopens are those of every guest.
	Env      []string
	Preopens []wasi.Preopen
	// Log takes the guests' stderr, and what went wrong with them.
	Log wasi.Sink
	// Concurrency is how many guests run at once; Timeout how long one may.
	Concurrency int
	Timeout     time.Duration
	// Fatal is called when a guest's time is over and it cannot be ended. It
	// ends the process.
	Fatal func(message string)
}

// Server serves HTTP on listeners, one guest per request.
type Server struct {
	Options
	slots chan struct{} // one element per running guest
	conns chan struct{} // one per connection

	mu        sync.Mutex
	draining  bool
	listeners []net.Listener
	idle      map[net.Conn]struct{} // between two requests
	open      sync.WaitGroup        // connections
	done      chan struct{}         // closed when Serve has returned
}

// New makes a server.
func New(o Options) *Server {
	return &Server{
		Options: o,
		slots:   make(chan struct{}, o.Concurrency),
		conns:   make(chan struct{}, maxConns),
		idle:    map[net.Conn]struct{}{},
		done:    make(chan struct{}),
	}
}

// Serve serves on the listeners, which it owns, until Drain. It returns when
// the last request has been answered; an error is a listener's.
func (s *Server) Serve(ctx context.Context, listeners []net.Listener) error {
	defer close(s.done)
	s.mu.Lock()
	s.listeners = listeners
	if s.draining {
		s.closeListeners()
	}
	s.mu.Unlock()
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { failed <- s.accept(ctx, l) }()
	}
	var err error
	for range listeners {
		if e := <-failed; e != nil && err == nil {
			err = e
			s.Drain()
		}
	}
	s.open.Wait()
	return err
}

// Drain stops accepting, ends idle connections and lets the others finish their
// request. It may be called at any time; the channel is closed when Serve has
// returned.
func (s *Server) Drain() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	for c := range s.idle {
		// Its reader wakes up, and finds out.
		_ = c.SetReadDeadline(time.Unix(1, 0))
	}
	s.closeListeners()
	return s.done
}

// closeListeners needs mu.
func (s *Server) closeListeners() {
	for _, l := range s.listeners {
		l.Close()
	}
}

// accept takes connections from one listener.
func (s *Server) accept(ctx context.Context, l net.Listener) error {
	for {
		s.conns <- struct{}{}
		c, err := l.Accept()
		if err != nil {
			<-s.conns
			if s.isDraining() {
				return nil
			}
			if wait := pause(err); wait > 0 {
				time.Sleep(wait) // no descriptors left: some will be given back
				continue
			}
			return fmt.Errorf("accept on %s: %w", l.Addr(), err)
		}
		s.open.Add(1)
		go func() {
			defer s.open.Done()
			defer func() { <-s.conns }()
			newConn(s, c).serve(ctx)
		}()
	}
}

func (s *Server) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// rest notes that a connection waits for its next request, at most for idleTime.
// It is false when there is to be none.
func (s *Server) rest(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.idle[c] = struct{}{}
	return c.SetReadDeadline(time.Now().Add(idleTime)) == nil
}

// wake notes that a request has come, whose head is to be there in headTime.
func (s *Server) wake(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.idle, c)
	return !s.draining && c.SetReadDeadline(time.Now().Add(headTime)) == nil
}

// acquire waits for a slot, in the order of asking. It is false when none came
// free in time.
func (s *Server) acquire() bool {
	select {
	case s.slots <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(queueTime)
	defer timer.Stop()
	select {
	case s.slots <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}

func (s *Server) release() { <-s.slots }

// logf logs a line of the server's own.
func (s *Server) logf(format string, args ...any) {
	_, _ = s.Log.Write([]byte("wagi: " + fmt.Sprintf(format, args...) + "\n")) // the log never fails
}
