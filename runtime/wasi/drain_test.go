// SPDX-License-Identifier: Apache-2.0

package wasi_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
)

// Times of a drain: when an idle connection ends, and by when it must have, on a busy machine.
const (
	idleAfter = 500 * time.Millisecond
	longAfter = 20 * time.Second
)

// server is a guest with one listener, and its clients.
type server struct {
	t        *testing.T
	sys      *wasi.System
	listener *wasi.Descriptor
	addr     string
}

func newServer(t *testing.T) *server {
	t.Helper()
	t.Parallel() // most of the time they wait
	ln, addr := wasitest.Listen(t)
	s := wasitest.New(t, wasi.Options{Listeners: []wasi.Listener{ln}})
	return &server{t: t, sys: s, listener: acquire(t, s, 3), addr: addr}
}

func (s *server) dial() *net.TCPConn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(longAfter)); err != nil {
		s.t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// accept takes a connection as a non-blocking guest does.
func (s *server) accept() *wasi.Descriptor {
	s.t.Helper()
	if !s.poll(s.listener, longAfter) {
		s.t.Fatal("no connection")
	}
	d, errno := s.listener.Accept(wasi.FlagNonblock)
	if errno != wasi.ESUCCESS {
		s.t.Fatal(errno)
	}
	return d
}

// connect is a client and the guest's end of it.
func (s *server) connect() (*net.TCPConn, *wasi.Descriptor) {
	s.t.Helper()
	conn := s.dial()
	return conn, s.accept()
}

// poll waits for a descriptor to become readable; false: it did not in that time.
func (s *server) poll(d *wasi.Descriptor, limit time.Duration) bool {
	s.t.Helper()
	p := s.sys.Poller()
	defer p.Release()
	i := p.AddRead(d)
	if _, errno := p.AddTimer(wasi.ClockMonotonic, uint64(limit), false); errno != wasi.ESUCCESS {
		s.t.Fatal(errno)
	}
	if errno := p.Wait(); errno != wasi.ESUCCESS {
		s.t.Fatal(errno)
	}
	ready, _ := p.Ready(i)
	return ready
}

// read is what a guest finds: "" with ESUCCESS is the end.
func (s *server) read(d *wasi.Descriptor) (string, wasi.Errno) {
	s.t.Helper()
	b := make([]byte, 1000)
	v := vectors(s.t, b)
	defer v.Release()
	n, errno := d.Read(v)
	return string(b[:n]), errno
}

func (s *server) write(d *wasi.Descriptor, b []byte) int {
	s.t.Helper()
	v := vectors(s.t, b)
	defer v.Release()
	n, errno := d.Write(v)
	if errno != wasi.ESUCCESS && errno != wasi.EAGAIN {
		s.t.Fatal(errno)
	}
	return n
}

// exchange is one request and its answer.
func (s *server) exchange(conn net.Conn, d *wasi.Descriptor) {
	s.t.Helper()
	s.send(conn, "question")
	s.poll(d, longAfter)
	if got, errno := s.read(d); got != "question" {
		s.t.Fatalf("the guest read %q, %v", got, errno)
	}
	s.write(d, []byte("answer"))
	b := make([]byte, 6)
	if _, err := io.ReadFull(conn, b); err != nil || string(b) != "answer" {
		s.t.Fatalf("the client read %q, %v", b, err)
	}
}

func (s *server) send(conn net.Conn, text string) {
	s.t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

// ends checks that a connection reads as ended, once it was quiet for long enough.
func (s *server) ends(d *wasi.Descriptor, quietSince time.Time) {
	s.t.Helper()
	if !s.poll(d, longAfter) {
		s.t.Fatal("the connection stays open")
	}
	if quiet := time.Since(quietSince); quiet < idleAfter {
		s.t.Errorf("it ended after only %v", quiet)
	}
	if got, errno := s.read(d); got != "" || errno != wasi.ESUCCESS {
		s.t.Errorf("the guest read %q, %v; want the end", got, errno)
	}
}

// stays checks that a connection does not end though nothing moves.
func (s *server) stays(d *wasi.Descriptor, drained <-chan struct{}) {
	s.t.Helper()
	if s.poll(d, 2*idleAfter) {
		got, errno := s.read(d)
		s.t.Fatalf("the guest read %q, %v; want nothing yet", got, errno)
	}
	if over(drained) {
		s.t.Fatal("drained with an open connection")
	}
}

func over(drained <-chan struct{}) bool {
	select {
	case <-drained:
		return true
	default:
		return false
	}
}

func await(t *testing.T, drained <-chan struct{}) {
	t.Helper()
	select {
	case <-drained:
	case <-time.After(longAfter):
		t.Fatal("the drain does not end")
	}
}

func refused(t *testing.T, addr string) {
	t.Helper()
	if conn, err := net.Dial("tcp", addr); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("dialling: %v, %v; want refused", conn, err)
	}
}

func TestADrainOfNothingIsOverAtOnce(t *testing.T) {
	if s := wasitest.New(t, wasi.Options{}); !over(s.Drain()) {
		t.Error("without sockets it is not over")
	}
	s := newServer(t)
	_, d := s.connect()
	d.Release()
	for range 2 {
		if !over(s.sys.Drain()) {
			t.Error("with a listener alone it is not over")
		}
	}
	refused(t, s.addr)
}

func TestADrainedListenerIsNeverReady(t *testing.T) {
	s := newServer(t)
	if s.poll(s.listener, time.Millisecond) {
		t.Fatal("ready before anything")
	}
	polled := make(chan bool)
	go func() { polled <- s.poll(s.listener, idleAfter) }()
	wasitest.AwaitSleep(t, s.sys)
	s.sys.Drain()
	refused(t, s.addr)
	if <-polled {
		t.Error("a poll under way says that it is ready")
	}
	if s.poll(s.listener, idleAfter) {
		t.Error("a new poll says that it is ready")
	}
	if _, errno := s.listener.Accept(wasi.FlagNonblock); errno != wasi.EAGAIN {
		t.Errorf("accept: %v", errno)
	}
	// One for each poll's end, and one when the listener was shut.
	if n := s.sys.Wakeups(); n > 5 {
		t.Errorf("the polls woke up %d times", n)
	}
}

func TestAcceptWaitsOnWhenDrained(t *testing.T) {
	s := newServer(t)
	done := make(chan wasi.Errno)
	go func() {
		_, errno := s.listener.Accept(0) // a simple server: it never asked for flags
		done <- errno
	}()
	wasitest.AwaitSleep(t, s.sys)
	if !over(s.sys.Drain()) {
		t.Error("not over")
	}
	select {
	case errno := <-done:
		t.Fatalf("accept returned %v", errno)
	case <-time.After(idleAfter):
	}
	if n := s.sys.Wakeups(); n > 3 {
		t.Errorf("it woke up %d times", n)
	}
	s.sys.Interrupt(143)
	if errno := <-done; errno != wasi.EINTR {
		t.Error(errno)
	}
}

func TestWhoHasConnectedIsStillServed(t *testing.T) {
	s := newServer(t)
	conns := []net.Conn{s.dial(), s.dial(), s.dial()}
	for _, conn := range conns {
		s.send(conn, "early ")
	}
	drained := s.sys.Drain()
	refused(t, s.addr)
	for _, conn := range conns {
		d := s.accept()
		if got, errno := s.read(d); got != "early " {
			t.Fatalf("the guest read %q, %v", got, errno)
		}
		s.exchange(conn, d)
		if over(drained) {
			t.Fatal("over too early")
		}
		d.Release()
	}
	if s.poll(s.listener, time.Millisecond) {
		t.Error("ready with nothing left")
	}
	await(t, drained)
}

func TestWhoHasConnectedAndSaysNothingIsDropped(t *testing.T) {
	s := newServer(t)
	conn := s.dial()
	drained := s.sys.Drain()
	if over(drained) {
		t.Fatal("over at once")
	}
	if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the client read %d bytes, %v", n, err)
	}
	await(t, drained)
}

func TestIdleConnectionsEnd(t *testing.T) {
	s := newServer(t)
	_, silent := s.connect()
	conn, answered := s.connect()
	s.exchange(conn, answered)
	begun := time.Now()
	drained := s.sys.Drain()
	// A further request before it is idle is served like any.
	time.Sleep(idleAfter / 2)
	asked := time.Now()
	s.exchange(conn, answered)
	s.ends(silent, begun)
	s.ends(answered, asked)
	silent.Release()
	if over(drained) {
		t.Error("over before the last was closed")
	}
	answered.Release()
	await(t, drained)
}

func TestABlockingReadEndsWithItsIdleConnection(t *testing.T) {
	s := newServer(t)
	conn, d := s.connect()
	if errno := d.SetFlags(0); errno != wasi.ESUCCESS {
		t.Fatal(errno)
	}
	s.exchange(conn, d)
	done := make(chan string)
	go func() {
		got, errno := s.read(d)
		done <- fmt.Sprintf("%q %v", got, errno)
	}()
	wasitest.AwaitSleep(t, s.sys)
	drained := s.sys.Drain()
	if got := <-done; got != `"" success` {
		t.Errorf("the guest read %s", got)
	}
	d.Release()
	await(t, drained)
}

func TestARequestIsNotCut(t *testing.T) {
	for name, take := range map[string]func(*server, *wasi.Descriptor){
		"fd_read": func(s *server, d *wasi.Descriptor) { s.read(d) },
		"sock_recv": func(s *server, d *wasi.Descriptor) {
			v := vectors(s.t, make([]byte, 100))
			defer v.Release()
			if _, _, errno := d.Recv(v, 0); errno != wasi.ESUCCESS {
				s.t.Error(errno)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			conn, d := s.connect()
			s.exchange(conn, d)
			s.send(conn, "a hard one")
			s.poll(d, longAfter)
			take(s, d)
			drained := s.sys.Drain()
			s.stays(d, drained)
			answered := time.Now()
			s.write(d, []byte("solved"))
			s.ends(d, answered)
			d.Release()
			await(t, drained)
		})
	}
}

func TestAnUnreadRequestIsNotCut(t *testing.T) {
	s := newServer(t)
	conn, d := s.connect()
	s.exchange(conn, d)
	s.send(conn, "next")
	s.poll(d, longAfter)
	drained := s.sys.Drain()
	time.Sleep(2 * idleAfter) // the guest is busy elsewhere
	if got, errno := s.read(d); got != "next" {
		t.Fatalf("the guest read %q, %v", got, errno)
	}
	s.stays(d, drained)
}

func TestADownloadIsNotCut(t *testing.T) {
	s := newServer(t)
	conn, d := s.connect()
	s.exchange(conn, d)
	drained := s.sys.Drain()
	for range 12 {
		s.write(d, []byte("some more"))
		if s.poll(d, idleAfter/5) {
			t.Fatal("ended between two writes")
		}
	}
	d.Release()
	await(t, drained)
	if got, err := io.ReadAll(conn); err != nil || len(got) != 12*len("some more") {
		t.Errorf("the client read %d bytes, %v", len(got), err)
	}
}

// TestASlowClientGetsItsAnswer has a guest that has said everything and a client that takes its time:
// first with the connection open, then closed by the guest.
func TestASlowClientGetsItsAnswer(t *testing.T) {
	s := newServer(t)
	conn, d := s.connect()
	s.send(conn, "question")
	s.poll(d, longAfter)
	s.read(d)
	said := 0
	for chunk, n := make([]byte, 100_000), 1; n > 0; said += n {
		n = s.write(d, chunk)
	}
	drained := s.sys.Drain()
	s.stays(d, drained)
	d.Release()
	select {
	case <-drained:
		t.Fatal("over before the client has it all")
	case <-time.After(idleAfter):
	}
	if n, err := io.Copy(io.Discard, conn); err != nil || n != int64(said) {
		t.Errorf("the client got %d of %d bytes, %v", n, said, err)
	}
	await(t, drained)
}

func TestADialledConnectionIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	s := wasitest.New(t, wasi.Options{})
	d, errno := s.Socket(wasi.FamilyInet4, wasi.FileSocketStream)
	if errno != wasi.ESUCCESS {
		t.Fatal(errno)
	}
	defer d.Release()
	if errno := d.Connect(netip.MustParseAddrPort(ln.Addr().String())); errno != wasi.ESUCCESS {
		t.Fatal(errno)
	}
	if !over(s.Drain()) {
		t.Error("it is waited for")
	}
}

func TestAGuestsOwnListenersDrain(t *testing.T) {
	t.Parallel()
	s := wasitest.New(t, wasi.Options{})
	listen := func() string {
		d, errno := s.Socket(wasi.FamilyInet4, wasi.FileSocketStream)
		if errno != wasi.ESUCCESS {
			t.Fatal(errno)
		}
		t.Cleanup(d.Release)
		if errno := d.Bind(netip.MustParseAddrPort("127.0.0.1:0")); errno != wasi.ESUCCESS {
			t.Fatal(errno)
		}
		addr, errno := d.LocalAddr()
		if errno != wasi.ESUCCESS {
			t.Fatal(errno)
		}
		for range 2 {
			if errno := d.Listen(5); errno != wasi.ESUCCESS {
				t.Fatal(errno)
			}
		}
		return addr.String()
	}
	before := listen()
	conn, err := net.Dial("tcp", before)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if over(s.Drain()) {
		t.Error("its client is not waited for")
	}
	refused(t, before)
	refused(t, listen())
}

func TestClosingEndsADrain(t *testing.T) {
	ln, addr := wasitest.Listen(t)
	s, err := wasi.New(wasi.Options{Listeners: []wasi.Listener{ln}})
	if err != nil {
		t.Fatal(err)
	}
	l, errno := s.Acquire(3)
	if errno != wasi.ESUCCESS {
		t.Fatal(errno)
	}
	for range 2 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	d, errno := l.Accept(0)
	if errno != wasi.ESUCCESS {
		t.Fatal(errno)
	}
	if _, errno := s.Insert(d); errno != wasi.ESUCCESS {
		t.Fatal(errno)
	}
	drained := s.Drain()
	l.Release()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	await(t, drained)
}

// TestADrainAmongManyClients begins one while clients come and go: whom the guest answered has the
// answer, and the drain ends.
func TestADrainAmongManyClients(t *testing.T) {
	s := newServer(t)
	answer := bytes.Repeat([]byte("answer "), 10_000)
	var served, got atomic.Int64
	var guest, clients sync.WaitGroup
	for range 4 {
		guest.Go(func() {
			for {
				d, errno := s.listener.Accept(0)
				if errno != wasi.ESUCCESS {
					return
				}
				if request, _ := s.read(d); request != "" {
					s.write(d, answer)
					served.Add(1)
				}
				d.Release()
			}
		})
	}
	for range 16 {
		clients.Go(func() {
			for {
				conn, err := net.Dial("tcp", s.addr)
				if err != nil {
					return
				}
				_, _ = conn.Write([]byte("question"))
				if b, _ := io.ReadAll(conn); bytes.Equal(b, answer) {
					got.Add(1)
				}
				conn.Close()
			}
		})
	}
	for served.Load() < 200 {
		time.Sleep(time.Millisecond)
	}
	await(t, s.sys.Drain())
	clients.Wait()
	s.sys.Interrupt(143)
	guest.Wait()
	if served.Load() != got.Load() {
		t.Errorf("the guest served %d, %d got their answer", served.Load(), got.Load())
	}
}
