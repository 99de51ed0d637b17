// SPDX-License-Identifier: Apache-2.0

package preview1_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
)

// guest is a plain Go program.
var guest = &wasitest.Program{Dir: "testdata/guest"}

// run runs the guest to its end and returns what it wrote; it must end with 0.
func run(t *testing.T, o wasi.Options, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	o.Args = append([]string{"guest"}, args...)
	o.Stdout, o.Stderr = wasi.StdioSink(&out), wasi.StdioSink(&errs)
	s := wasitest.New(t, o)
	if code := guest.Run(t, instantiate(s)); code != 0 {
		t.Fatalf("guest %v ended with %d: %s", args, code, errs.String())
	}
	return out.String()
}

// start starts the guest beside the test.
func start(t *testing.T, o wasi.Options, args ...string) (*wasitest.Running, *wasi.System) {
	t.Helper()
	o.Args = append([]string{"guest"}, args...)
	s := wasitest.New(t, o)
	return guest.Start(t, s, instantiate(s)), s
}

func TestGoProgramsUseFiles(t *testing.T) {
	got := run(t, wasi.Options{Preopens: wasitest.Dir(t, t.TempDir())}, "files")
	if want := "entries: 306\nleft: 0\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestGoProgramsWaitForTimers(t *testing.T) {
	if got := run(t, wasi.Options{}, "timers"); got != "timers ok\n" {
		t.Errorf("%q", got)
	}
}

func TestGoProgramsReadStdinAsItComes(t *testing.T) {
	in, inW := wasitest.Pipe(t)
	outR, out := wasitest.Pipe(t)
	p, s := start(t, wasi.Options{Stdin: wasi.StdioFD(in), Stdout: wasi.StdioFD(out)}, "copy")
	for _, line := range []string{"one\n", "two\n", strings.Repeat("x", 4000) + "\n"} {
		wasitest.AwaitSleep(t, s)
		if _, err := unix.Write(inW, []byte(line)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(line))
		if _, err := io.ReadFull(reader(outR), got); err != nil || string(got) != line {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if err := unix.Close(inW); err != nil {
		t.Fatal(err)
	}
	if code := p.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// reader reads a descriptor without owning it.
type reader int

func (r reader) Read(p []byte) (int, error) { return unix.Read(int(r), p) }

func TestExitCodesAndStops(t *testing.T) {
	for want, args := range map[uint32][]string{7: {"exit", "7"}, 1: {"nonsense"}} {
		p, _ := start(t, wasi.Options{}, args...)
		if code := p.Wait(); code != want {
			t.Errorf("guest %v ended with %d, want %d", args, code, want)
		}
	}
	p, s := start(t, wasi.Options{}, "sleep")
	wasitest.AwaitSleep(t, s)
	if code := p.Stop(143); code != 143 {
		t.Errorf("a stopped sleeper ended with %d", code)
	}
}

// serveHTTP starts the guest as an HTTP server and returns its URL and a client with many connections.
func serveHTTP(t *testing.T) (url string, client *http.Client, s *wasi.System) {
	t.Helper()
	ln, addr := wasitest.Listen(t)
	p, s := start(t, wasi.Options{Listeners: []wasi.Listener{ln}}, "http", "3")
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if code := p.Stop(143); code != 143 {
			t.Errorf("the server ended with %d", code)
		}
	})
	return "http://" + addr, &http.Client{Transport: transport, Timeout: time.Minute}, s
}

func echo(client *http.Client, url, body string) error {
	resp, err := client.Post(url+"/echo", "text/plain", strings.NewReader(body))
	if err != nil {
		return err
	}
	got, err := io.ReadAll(resp.Body)
	if err := resp.Body.Close(); err != nil {
		return err
	}
	if err != nil || string(got) != body {
		return fmt.Errorf("%d bytes back of %d, %w", len(got), len(body), err)
	}
	return nil
}

func TestAnUnmodifiedGoServerServes(t *testing.T) {
	url, client, _ := serveHTTP(t)
	for _, body := range []string{"hello", "", strings.Repeat("large ", 200000)} {
		if err := echo(client, url, body); err != nil {
			t.Fatal(err)
		}
	}
	var clients sync.WaitGroup
	for i := range 32 {
		clients.Go(func() {
			for j := range 20 {
				if err := echo(client, url, fmt.Sprintf("client %d request %d", i, j)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
}

func TestRequestsAreServedConcurrently(t *testing.T) {
	url, client, _ := serveHTTP(t)
	if err := echo(client, url, "warm up"); err != nil {
		t.Fatal(err)
	}
	const slow = 200 * time.Millisecond // what the handler sleeps
	begun := time.Now()
	var clients sync.WaitGroup
	for range 16 {
		clients.Go(func() {
			resp, err := client.Get(url + "/slow")
			if err != nil {
				t.Error(err)
				return
			}
			if err := resp.Body.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	clients.Wait()
	// One after the other they would take 3.2 s; the margin is for a busy machine.
	if took := time.Since(begun); took < slow || took > 13*slow {
		t.Errorf("16 requests of %v took %v", slow, took)
	}
}

// TestAnIdleServerSleeps holds the property that costs nodes their idle CPU: with connections open
// and nothing to do, the guest waits in the kernel and nothing wakes it.
func TestAnIdleServerSleeps(t *testing.T) {
	url, client, s := serveHTTP(t)
	if err := echo(client, url, "warm up"); err != nil {
		t.Fatal(err)
	}
	settle := time.Now().Add(20 * time.Second)
	for quiet := false; !quiet; {
		if time.Now().After(settle) {
			t.Fatal("the server did not come to rest")
		}
		before, cpu := s.Wakeups(), cpuTime(t, s)
		time.Sleep(500 * time.Millisecond) // the time over which nothing is to happen
		quiet = s.Wakeups() == before && s.Sleeping() == 1 && cpuTime(t, s)-cpu < 100*time.Millisecond
	}
	if err := echo(client, url, "still there"); err != nil {
		t.Fatal(err)
	}
}

// cpuTime is the CPU time of the process, as a guest sees it.
func cpuTime(t *testing.T, s *wasi.System) time.Duration {
	t.Helper()
	ns, errno := s.Now(wasi.ClockProcessCPU)
	if errno != wasi.ESUCCESS {
		t.Fatal(errno)
	}
	return time.Duration(ns)
}
