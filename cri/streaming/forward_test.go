// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/websocket"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/sandbox"
)

func echo(c *net.TCPConn) { _, _ = io.Copy(c, c) }

// says is a server that says something and hears nothing.
func says(text string) func(*net.TCPConn) {
	return func(c *net.TCPConn) { _, _ = io.WriteString(c, text) }
}

func TestAConnectionLeadsIntoThePod(t *testing.T) {
	n := newNode(t)
	sb := n.pod("web", sandbox.NetworkPod)
	port := n.serveIn(sb, "127.0.0.1:0", says("the pod"))
	// Were it the node's network, this would answer.
	node, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	must(t, err)
	defer node.Close()
	conn := dialSPDY(t, n.url(sb))
	for range 2 { // one kubectl has many connections
		c := conn.forward(port)
		c.hear("the pod")
		if text := c.ends(); text != "" {
			t.Errorf("an error: %q", text)
		}
	}
}

func TestAConnectionLeadsToTheNodeOfAPodOnItsNetwork(t *testing.T) {
	n := newNode(t)
	sb := n.pod("web", sandbox.NetworkNode)
	port := n.serveIn(sb, "127.0.0.1:0", says("the node"))
	c := dialSPDY(t, n.url(sb)).forward(port)
	c.hear("the node")
	c.ends()
}

func TestIPv6AloneWillDo(t *testing.T) {
	n := newNode(t)
	sb := n.pod("web", sandbox.NetworkPod)
	port := n.serveIn(sb, "[::1]:0", says("six"))
	c := dialSPDY(t, n.url(sb)).forward(port)
	c.hear("six")
	c.ends()
}

func TestTheClientsEndIsHandedOn(t *testing.T) {
	n := newNode(t)
	sb := n.pod("web", sandbox.NetworkPod)
	port := n.serveIn(sb, "127.0.0.1:0", func(c *net.TCPConn) {
		heard, _ := io.ReadAll(c)
		fmt.Fprintf(c, "heard %q", heard)
	})
	c := dialSPDY(t, n.url(sb)).forward(port)
	c.say("a question")
	must(t, c.Close()) // of this half
	c.hear(`heard "a question"`)
	if text := c.ends(); text != "" {
		t.Errorf("an error: %q", text)
	}
}

func TestThePodsEndIsHandedOn(t *testing.T) {
	n := newNode(t)
	sb := n.pod("web", sandbox.NetworkPod)
	heard := make(chan string, 1)
	port := n.serveIn(sb, "127.0.0.1:0", func(c *net.TCPConn) {
		says("hello")(c)
		_ = c.CloseWrite()
		text, _ := io.ReadAll(c)
		heard <- string(text)
	})
	c := dialSPDY(t, n.url(sb)).forward(port)
	if text := all(t, c); text != "hello" {
		t.Errorf("heard %q", text)
	}
	c.say("and goodbye")
	must(t, c.Close())
	if text := <-heard; text != "and goodbye" {
		t.Errorf("the pod heard %q", text)
	}
	if text := all(t, c.errors); text != "" {
		t.Errorf("an error: %q", text)
	}
}

// TestAnAnswerArrivesAlthoughNobodyListensAnyMore is of an HTTP server that
// refuses a body: it answers and closes, and the kernel resets the connection.
func TestAnAnswerArrivesAlthoughNobodyListensAnyMore(t *testing.T) {
	n := newNode(t)
	sb := n.pod("web", sandbox.NetworkPod)
	port := n.serveIn(sb, "127.0.0.1:0", func(c *net.TCPConn) {
		_, _ = bufio.NewReader(c).ReadByte() // much more stays unread
		says("too large")(c)
	})
	c := dialSPDY(t, n.url(sb)).forward(port)
	c.say(strings.Repeat("x", 16<<10))
	c.hear("too large")
	if text := c.ends(); text != "" {
		t.Errorf("an error: %q", text)
	}
}

// TestAResetIsNotTheEndOfOthers: kubectl gives up its whole connection at any
// error, so what one connection's sides do to each other is none.
func TestAResetIsNotTheEndOfOthers(t *testing.T) {
	n := newNode(t)
	sb := n.pod("web", sandbox.NetworkPod)
	rude := n.serveIn(sb, "127.0.0.1:0", func(c *net.TCPConn) { _ = c.SetLinger(0) })
	port := n.serveIn(sb, "127.0.0.1:0", echo)
	conn := dialSPDY(t, n.url(sb))
	good := conn.forward(port)
	bad := conn.forward(rude)
	if text := bad.ends(); text != "" {
		t.Errorf("an error: %q", text)
	}
	good.say("still here")
	good.hear("still here")
}

func TestARefusalNamesPodAndPort(t *testing.T) {
	n := newNode(t)
	sb := n.pod("web", sandbox.NetworkPod)
	const want = "pod default/web: port 9: connection refused: no container of the pod listens on it"
	if text := dialSPDY(t, n.url(sb)).forward(9).ends(); !strings.HasSuffix(text, want) {
		t.Errorf("SPDY: the error is %q", text)
	}
	if text := frame(t, dialWebSocket(t, n.url(sb, 9))); text[0] != 1 || !strings.HasSuffix(string(text), want) {
		t.Errorf("WebSocket: the error is %q", text)
	}
}

func TestConnectionsEndWithTheSandbox(t *testing.T) {
	n := newNode(t)
	sb := n.pod("web", sandbox.NetworkPod)
	port := n.serveIn(sb, "127.0.0.1:0", echo)
	conn := dialSPDY(t, n.url(sb))
	c := conn.forward(port)
	c.say("ping")
	c.hear("ping")
	must(t, n.sandboxes.Stop(t.Context(), sb.ID))
	want := "sandbox " + sb.ID + ": has been stopped"
	if text := c.ends(); !strings.Contains(text, "pod default/web: port ") || !strings.Contains(text, want) {
		t.Errorf("the error is %q", text)
	}
	if text := conn.forward(port).ends(); !strings.Contains(text, want) {
		t.Errorf("afterwards the error is %q", text)
	}
}

// TestAnUnnoticedEndIsNotForEver is of a client that is gone and a server that
// does not care.
func TestAnUnnoticedEndIsNotForEver(t *testing.T) {
	for name, hang := range map[string]func(client, pod *net.TCPConn) error{
		"client": func(client, _ *net.TCPConn) error { return client.CloseWrite() },
		"pod":    func(_, pod *net.TCPConn) error { return pod.CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			client, near := tcpPair(t)
			pod, far := tcpPair(t)
			ended := make(chan error, 1)
			go func() {
				ended <- splice(t.Context(), newClient(halves{near}), pod, time.Millisecond)
			}()
			if _, err := client.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := far.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			must(t, hang(client, far))
			select {
			case err := <-ended:
				must(t, err)
			case <-time.After(patience):
				t.Fatal("the connection stays")
			}
		})
	}
}

func TestWebSocket(t *testing.T) {
	n := newNode(t)
	sb := n.pod("web", sandbox.NetworkPod)
	ended := make(chan struct{}, 1)
	port := n.serveIn(sb, "127.0.0.1:0", func(c *net.TCPConn) {
		echo(c)
		ended <- struct{}{}
	})
	conn := dialWebSocket(t, n.url(sb, port))
	must(t, websocket.Message.Send(conn, []byte("\x00ping")))
	if got := frame(t, conn); string(got) != "\x00ping" {
		t.Errorf("heard %q", got)
	}
	must(t, conn.Close())
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the pod does not hear of the client's end")
	}

	brief := n.serveIn(sb, "127.0.0.1:0", says("bye"))
	conn = dialWebSocket(t, n.url(sb, brief))
	if got := frame(t, conn); string(got) != "\x00bye" {
		t.Errorf("heard %q", got)
	}
	if err := websocket.Message.Receive(conn, new([]byte)); !errors.Is(err, io.EOF) {
		t.Errorf("after the pod's end: %v", err)
	}
}

// TestManyAtOnce moves data through many connections of several clients, and
// looks for threads in a pod's network and for open sockets afterwards.
func TestManyAtOnce(t *testing.T) {
	n := newNode(t)
	var pods []sandbox.Sandbox
	var ports []int32
	for i := range 3 {
		sb := n.pod(fmt.Sprint("pod-", i), sandbox.NetworkPod)
		pods = append(pods, sb)
		ports = append(ports, n.serveIn(sb, "127.0.0.1:0", echo))
	}
	sockets := openSockets(t)
	var clients sync.WaitGroup
	for i := range 6 {
		clients.Go(func() {
			conn := dialSPDY(t, n.url(pods[i%3]))
			defer conn.Close()
			var streams sync.WaitGroup
			for range 10 {
				streams.Go(func() { exchange(t, conn.forward(ports[i%3])) })
			}
			streams.Wait()
		})
	}
	clients.Wait()
	home := inode(t, "/proc/self/ns/net")
	tasks, err := filepath.Glob("/proc/self/task/*/ns/net")
	must(t, err)
	for _, task := range tasks {
		var st unix.Stat_t
		if err := unix.Stat(task, &st); err == nil && st.Ino != home {
			t.Errorf("%s is in a pod's network", task)
		}
	}
	// Closing a connection ends it in its own time, and tells nobody.
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for openSockets(t) > sockets {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d open sockets, there were %d", openSockets(t), sockets)
		}
	}
}

// exchange sends random bytes through an echo and compares.
func exchange(t *testing.T, c *forwarded) {
	data := make([]byte, 300<<10)
	rand.Read(data)
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(c, bytes.NewReader(data))
		if err == nil {
			err = c.Close()
		}
		sent <- err
	}()
	hash := sha256.New()
	if _, err := io.Copy(hash, c); err != nil {
		t.Error(err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if want := sha256.Sum256(data); !bytes.Equal(hash.Sum(nil), want[:]) {
		t.Error("what comes back differs")
	}
}

// halves is a TCP connection as a SPDY stream shows itself.
type halves struct{ *net.TCPConn }

func (h halves) Close() error { return h.CloseWrite() }

func (h halves) Reset() error { return h.TCPConn.Close() }

// tcpPair is a connection's two ends.
func tcpPair(t *testing.T) (one, other *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	b, err := l.Accept()
	must(t, err)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	return st.Ino
}

// openSockets counts this process's sockets.
func openSockets(t *testing.T) int {
	t.Helper()
	files, err := filepath.Glob("/proc/self/fd/*")
	must(t, err)
	sockets := 0
	for _, file := range files {
		if to, err := os.Readlink(file); err == nil && strings.HasPrefix(to, "socket:") {
			sockets++
		}
	}
	return sockets
}
