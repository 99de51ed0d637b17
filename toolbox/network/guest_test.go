// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// guest is a command of this package, or several, in a worker of its own.
type guest struct {
	cmd            *exec.Cmd
	stdin          io.WriteCloser
	stdout, stderr bytes.Buffer // to be read after the end
}

// begin starts `wazelet run` of this package's commands. flags are those of run.
func begin(t *testing.T, flags []string, argv ...string) *guest {
	t.Helper()
	buildPrograms(t)
	config := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "version = 1\n[worker]\npath = %q\n", programs.worker), 0o644); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"run", "--config", config}, flags...)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	g := &guest{cmd: exec.CommandContext(ctx, programs.wazelet, append(append(args, programs.module), argv...)...)}
	g.cmd.Env = []string{"HOME=" + programs.dir, "PATH=" + os.Getenv("PATH")}
	g.cmd.Stdout, g.cmd.Stderr = &g.stdout, &g.stderr
	g.cmd.WaitDelay = 10 * time.Second
	var err error
	if g.stdin, err = g.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if g.cmd.ProcessState == nil {
			g.interrupt(t)
		}
	})
	return g
}

// end waits until the guest has ended.
func (g *guest) end(t *testing.T) result {
	t.Helper()
	g.stdin.Close()
	if err := g.cmd.Wait(); err != nil && g.cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return result{g.cmd.ProcessState.ExitCode(), g.stdout.String(), g.stderr.String()}
}

func (g *guest) interrupt(t *testing.T) result {
	t.Helper()
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	return g.end(t)
}

// inGuest runs a command in a worker to its end.
func inGuest(t *testing.T, stdin string, argv ...string) result {
	t.Helper()
	g := begin(t, nil, argv...)
	if _, err := io.WriteString(g.stdin, stdin); err != nil {
		t.Fatal(err)
	}
	return g.end(t)
}

func TestGuestsServeAndFetch(t *testing.T) {
	dir := tree(t, map[string]string{"index.html": "home\n", "large": strings.Repeat("0123456789abcdef", 1<<16)})
	port := freePort(t)
	server := begin(t, []string{"--dir", dir + ":/pages:ro"}, "httpd", "-f", "-p", "127.0.0.1:"+port, "-h", "/pages")
	idle := dial(t, port) // keeps nobody from being served
	defer idle.Close()
	expect(t, inGuest(t, "", "wget", "-q", "-O", "-", "http://127.0.0.1:"+port), 0, "home\n", "")
	expect(t, inGuest(t, "", "wget", "-q", "-O", "-", "http://127.0.0.1:"+port+"/none"), 1, "", "server returned error: HTTP/1.1 404 Not Found")
	large := inGuest(t, "", "wget", "-q", "-O", "-", "http://127.0.0.1:"+port+"/large")
	if large.code != 0 || large.stdout != strings.Repeat("0123456789abcdef", 1<<16) {
		t.Errorf("%d bytes, code %d: %s", len(large.stdout), large.code, large.stderr)
	}
	expect(t, inGuest(t, "GET / HTTP/1.0\r\n\r\n", "nc", "-z", "127.0.0.1", port), 0, "", "")
	said := inGuest(t, "GET / HTTP/1.0\r\n\r\n", "nc", "127.0.0.1", port)
	if said.code != 0 || !strings.HasPrefix(said.stdout, "HTTP/1.0 200 OK\r\n") || !strings.HasSuffix(said.stdout, "\r\n\r\nhome\n") {
		t.Errorf("%+v", said)
	}
	listens := inGuest(t, "", "netstat", "-ltn")
	if listens.code != 0 || !strings.Contains(listens.stdout, "127.0.0.1:"+port) {
		t.Errorf("%+v", listens)
	}
	busy := inGuest(t, "", "httpd", "-p", "127.0.0.1:"+port)
	expect(t, busy, 1, "", "httpd: port "+port+": Address")
	if got := server.interrupt(t); got.code != 143 || got.stderr != "" {
		t.Errorf("%+v", got)
	}
}

func TestGuestsMeet(t *testing.T) {
	port := freePort(t)
	server := begin(t, nil, "nc", "-l", "-s", "127.0.0.1", "-p", port)
	if _, err := io.WriteString(server.stdin, "from the server"); err != nil {
		t.Fatal(err)
	}
	awaitListener(t, port)
	expect(t, inGuest(t, "from the client", "nc", "127.0.0.1", port), 0, "from the server", "")
	expect(t, server.end(t), 0, "from the client", "")

	expect(t, inGuest(t, "", "nc", "127.0.0.1", port), 1, "", "nc: 127.0.0.1 port "+port+": Connection refused\n")
	expect(t, inGuest(t, "", "nc", "-z", "-w", "5", "::1", port), 1, "", "nc: ::1 port "+port+": ")
	expect(t, inGuest(t, "", "nc", "-l", "-s", "127.0.0.1", "-w", "0.05", "-p", port), 1, "", "nc: port "+port+": Connection timed out\n")
}

// awaitListener waits until somebody listens at a port, without connecting to it.
func awaitListener(t *testing.T, port string) {
	t.Helper()
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		found := false
		if err := eachConnection("/proc/net/tcp", func(n connection) {
			found = found || n.state == stateListen && int(n.local.Port()) == number
		}); err != nil {
			t.Fatal(err)
		}
		if found {
			return
		}
	}
	t.Fatalf("nobody listens at %s", port)
}

// What was handed over serves one command after the other: closing does not give the port up. A
// command that gave up waiting does not take it along.
func TestAHandedListenerComesBack(t *testing.T) {
	gaveUp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer gaveUp.Close()
	port := freePort(t)
	listens := []string{"nc", "-l", "-p", port}
	server := begin(t, []string{"--listen", "tcp://127.0.0.1:" + port}, slices.Concat(
		[]string{"nc", "-l", "-w", "0.05", "-p", port, ";"},
		[]string{"nc", "127.0.0.1", strconv.Itoa(gaveUp.Addr().(*net.TCPAddr).Port), ";"},
		listens, []string{";"}, listens)...)
	// Not before this: a client that comes while the first still waits is the first's.
	conn, err := gaveUp.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	for _, text := range []string{"first ", "second"} {
		conn := dial(t, port)
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Error(err)
		}
		conn.Close()
	}
	got := server.end(t)
	if want := "nc: port " + port + ": Connection timed out\n"; got.code != 0 || got.stdout != "first second" || got.stderr != want {
		t.Errorf("%+v", got)
	}
}

func TestGuestsServeWhatTheyWereHanded(t *testing.T) {
	ports := []string{freePort(t), freePort(t)}
	var flags []string
	for i, port := range ports {
		flags = append(flags, "--listen", fmt.Sprintf("p%d=tcp://127.0.0.1:%s", i, port))
	}
	u, err := net.ListenPacket("udp", "127.0.0.1:0") // a port of UDP is none to serve on
	if err != nil {
		t.Fatal(err)
	}
	u.Close()
	flags = append(flags, "--listen", "udp://"+u.LocalAddr().String())
	for _, test := range []struct {
		args []string
		port []string
	}{{[]string{"httpd", "-p", ports[1]}, ports[1:]}, {[]string{"nginx"}, ports}} {
		server := begin(t, flags, test.args...)
		for _, port := range test.port {
			awaitListener(t, port)
			got := get(t, port, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if !strings.HasPrefix(got, "HTTP/1.1 ") {
				t.Errorf("%q of %v: %q", port, test.args, got)
			}
		}
		if got := server.interrupt(t); got.code != 143 || got.stderr != "" {
			t.Errorf("%+v", got)
		}
	}
}

func TestGuestsLookNamesUp(t *testing.T) {
	server := nameServerAt(t, zone)
	host, _, _ := strings.Cut(server, ":")
	head := "Server:\t\t" + host + "\nAddress:\t" + server + "\n\n"
	expect(t, inGuest(t, "", "nslookup", "host.example.", server), 0,
		head+"Name:\thost.example\nAddress: 192.0.2.1\nName:\thost.example\nAddress: 2001:db8::1\n", "")
	expect(t, inGuest(t, "", "nslookup", "-type=A", "long.example.", server), 0, head+"Name:\tlong.example\nAddress: 192.0.2.2\n", "")
	expect(t, inGuest(t, "", "nslookup", "192.0.2.1", server), 0, head+"1.2.0.192.in-addr.arpa\tname = host.example\n", "")
	expect(t, inGuest(t, "", "nslookup", "none.example.", server), 1, "", "no such name (NXDOMAIN)")
}
