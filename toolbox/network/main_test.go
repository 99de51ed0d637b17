// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wazelet/wazelet/toolbox/command"
)

func TestMain(m *testing.M) { os.Exit(withPrograms(m)) }

// programs are what guests need: wazelet, its worker, and the commands of this package as a module.
var programs struct {
	once                    sync.Once
	err                     error
	dir                     string
	wazelet, worker, module string
}

func withPrograms(m *testing.M) int {
	code := m.Run()
	if err := os.RemoveAll(programs.dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if code != 0 {
		return code
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// buildPrograms builds them once, for the tests that need them; fuzzing does without.
func buildPrograms(t *testing.T) {
	t.Helper()
	p := &programs
	p.once.Do(func() {
		if p.dir, p.err = os.MkdirTemp("", "toolbox-network"); p.err != nil {
			return
		}
		p.wazelet, p.worker, p.module = filepath.Join(p.dir, "wazelet"), filepath.Join(p.dir, "wazelet-worker"), filepath.Join(p.dir, "network.wasm")
		p.err = errors.Join(
			os.Chmod(p.dir, 0o755), // for workers
			build(p.wazelet, "../../cmd/wazelet"),
			build(p.worker, "../../cmd/wazelet-worker"),
			build(p.module, "./testdata/guest", "GOOS=wasip1", "GOARCH=wasm"),
		)
	})
	if p.err != nil {
		t.Fatal(p.err)
	}
}

func build(out, source string, env ...string) error {
	cmd := exec.Command("go", "build", "-p", "1", "-trimpath", "-ldflags=-s -w", "-o", out, source)
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", source, err, text)
	}
	return nil
}

// result is what a command leaves.
type result struct {
	code           int
	stdout, stderr string
}

// run runs a command of this package in this process.
func run(t *testing.T, stdin string, argv ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := &command.Call{
		Name: argv[0], Args: argv[1:], Dir: t.TempDir(),
		Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr,
	}
	return result{Commands()[argv[0]](ctx, c), stdout.String(), stderr.String()}
}

// expect compares what a command left; what it says on standard error is to contain stderr.
func expect(t *testing.T, got result, code int, stdout, stderr string) {
	t.Helper()
	if got.code != code || got.stdout != stdout || !strings.Contains(got.stderr, stderr) || stderr == "" && got.stderr != "" {
		t.Errorf("got %+v, want code %d, output %q, on standard error %q", got, code, stdout, stderr)
	}
}

// freePort is a port of TCP where nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// dial connects to a port of this machine as soon as somebody listens there.
func dial(t *testing.T, port string) net.Conn {
	t.Helper()
	for until := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			return conn
		}
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(until) {
			t.Fatal(err)
		}
	}
}

// answering is a server that gives each of its clients the next of these answers, and keeps what they
// asked.
type answering struct {
	port  string
	mu    sync.Mutex
	asked []string
}

func answers(t *testing.T, all ...string) *answering {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &answering{port: strconv.Itoa(l.Addr().(*net.TCPAddr).Port)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, answer := range all {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			a.serve(conn, answer)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return a
}

func (a *answering) serve(conn net.Conn, answer string) {
	defer conn.Close()
	var asked strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(asked.String(), "\r\n\r\n") {
		n, err := conn.Read(buf)
		asked.Write(buf[:n])
		if err != nil {
			break
		}
	}
	a.mu.Lock()
	a.asked = append(a.asked, asked.String())
	a.mu.Unlock()
	_, _ = io.WriteString(conn, strings.ReplaceAll(answer, "PORT", a.port)) // the client may have gone
}

func (a *answering) requests() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked
}

// nameServerAt serves DNS over UDP and TCP at one port: answer makes an answer of a query.
func nameServerAt(t *testing.T, answer func(query []byte, tcp bool) []byte) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr).AddrPort()
	u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		t.Fatal(errors.Join(err, l.Close()))
	}
	var running sync.WaitGroup
	running.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := u.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = u.WriteToUDPAddrPort(answer(buf[:n], false), from)
		}
	})
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			answerTCP(conn, answer)
		}
	})
	t.Cleanup(func() {
		u.Close()
		l.Close()
		running.Wait()
	})
	return netip.AddrPortFrom(addr.Addr(), addr.Port()).String()
}

func answerTCP(conn net.Conn, answer func(query []byte, tcp bool) []byte) {
	defer conn.Close()
	buf := make([]byte, 4096)
	n, err := io.ReadAtLeast(conn, buf, headerSize+2)
	if err != nil {
		return
	}
	message := answer(buf[2:n], true)
	_, _ = conn.Write(append([]byte{byte(len(message) >> 8), byte(len(message))}, message...))
}
