// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wazelet/wazelet/toolbox/command"
)

func TestNCTalksToNC(t *testing.T) {
	port := freePort(t)
	server := make(chan result)
	go func() { server <- run(t, "from the server", "nc", "-l", "-p", port) }()
	var client result
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if client = run(t, "from the client", "nc", "-v", "127.0.0.1", port); !strings.Contains(client.stderr, "refused") {
			break // the server is there
		}
	}
	expect(t, client, 0, "from the server", "127.0.0.1 (127.0.0.1:"+port+") open\n")
	expect(t, <-server, 0, "from the client", "")
}

func TestNCTriesAPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	expect(t, run(t, "", "nc", "-z", "127.0.0.1", strconv.Itoa(l.Addr().(*net.TCPAddr).Port)), 0, "", "")
	closed := freePort(t)
	expect(t, run(t, "", "nc", "-z", "-w", "60", "127.0.0.1", closed), 1, "", "nc: 127.0.0.1 port "+closed+": Connection refused\n")
}

func TestNCSpeaksUDP(t *testing.T) {
	u, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 64)
		n, from, err := u.ReadFromUDP(buf)
		if err == nil {
			_, _ = u.WriteToUDP(append([]byte("got "), buf[:n]...), from)
		}
	}()
	// UDP has no end: the wait ends it, after the answer.
	expect(t, run(t, "datagram", "nc", "-u", "-w", "0.5", "127.0.0.1", strconv.Itoa(u.LocalAddr().(*net.UDPAddr).Port)), 1,
		"got datagram", "nc: ")
	<-done
}

func TestWhatNCCannotDo(t *testing.T) {
	port := freePort(t)
	for _, test := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{}, 2, "HOST and PORT"},
		{[]string{"127.0.0.1", "http"}, 2, "http: not a port"},
		{[]string{"-l"}, 2, "not a port"},
		{[]string{"-l", "-u", "-p", port}, 2, "-l -u: listening is for TCP alone"},
		{[]string{"-l", "-k", "-p", port}, 2, "-k is not supported"},
		{[]string{"-w", "0", "127.0.0.1", port}, 2, "-w: more than 0 seconds"},
		{[]string{"-l", "-s", "127.0.0.1", "-w", "0.05", "-p", port}, 1, "port " + port + ": Connection timed out"},
		{[]string{"127.0.0.1", port}, 1, "Connection refused"},
	} {
		expect(t, run(t, "", append([]string{"nc"}, test.args...)...), test.code, "", test.stderr)
	}
}

func TestNCEndsWithItsContext(t *testing.T) {
	for _, listens := range []bool{true, false} {
		port := freePort(t)
		args := []string{"-l", "-s", "127.0.0.1", "-p", port}
		if !listens {
			l, err := net.Listen("tcp", "127.0.0.1:"+port)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			args = []string{"127.0.0.1", port}
		}
		ctx, cancel := context.WithCancel(t.Context())
		code := make(chan int)
		go func() {
			code <- nc(ctx, &command.Call{Name: "nc", Args: args, Stdin: silence(t), Stdout: io.Discard, Stderr: io.Discard})
		}()
		cancel()
		if got := <-code; got != 1 {
			t.Errorf("exit code %d", got)
		}
	}
}

// silence is standard input with nothing to read, which does not end.
func silence(t *testing.T) *command.Input {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return command.NewInput(r)
}

// What standard input has after nc has ended is for the next command.
func TestNCLeavesStandardInputAlone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			_, _ = io.WriteString(conn, "bye")
			conn.Close()
		}
	}()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	in := command.NewInput(r)
	var stdout, stderr bytes.Buffer
	code := nc(t.Context(), &command.Call{
		Name: "nc", Args: []string{"127.0.0.1", strconv.Itoa(l.Addr().(*net.TCPAddr).Port)}, Stdin: in, Stdout: &stdout, Stderr: &stderr,
	})
	expect(t, result{code, stdout.String(), stderr.String()}, 0, "bye", "")
	if _, err := io.WriteString(w, "next"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if got, err := io.ReadAll(in); err != nil || string(got) != "next" {
		t.Errorf("left is %q (%v)", got, err)
	}
}
