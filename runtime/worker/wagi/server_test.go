// SPDX-License-Identifier: Apache-2.0

package wagi_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/engine/enginetest"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

func TestGuestSeesTheRequest(t *testing.T) {
	s := serve(t, spec.HTTP{})
	host, port, _ := strings.Cut(s.address, ":")
	answer := s.talk("POST /%65nv?a=b&c HTTP/1.1\r\nHost: " + s.address + "\r\nX-Two: 1\r\nx-two: 2\r\nProxy: evil\r\nX_Two: 3\r\n" +
		"Authorization: secret\r\nContent-Type: text/x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
	_, body, _ := strings.Cut(answer, "\r\n\r\n")
	lines := strings.Split(body, "\n")
	for _, want := range []string{
		"GREETING=hello", "GATEWAY_INTERFACE=CGI/1.1", "REQUEST_METHOD=POST", "PATH_INFO=/env", "PATH_TRANSLATED=/env",
		"X_RAW_PATH_INFO=/%65nv", "SCRIPT_NAME=", "QUERY_STRING=a=b&c", "CONTENT_TYPE=text/x", "CONTENT_LENGTH=2",
		"SERVER_NAME=" + host, "SERVER_PORT=" + port, "SERVER_PROTOCOL=HTTP/1.1", "SERVER_SOFTWARE=WAGI/1",
		"REMOTE_ADDR=127.0.0.1", "REMOTE_HOST=127.0.0.1", "HTTP_HOST=" + s.address, "HTTP_X_TWO=1, 2",
		"X_FULL_URL=http://" + s.address + "/%65nv?a=b&c", "X_MATCHED_ROUTE=/...", "AUTH_TYPE=", "REMOTE_USER=",
		"/env", "a=b", "c",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("%q is missing in\n%s", want, body)
		}
	}
	for _, never := range []string{"HTTP_PROXY", "HTTP_AUTHORIZATION", "HTTP_CONNECTION", "SERVER_NAME=mine", "1, 2, 3", "LISTEN_FDS"} {
		if strings.Contains(body, never) {
			t.Errorf("%q is in\n%s", never, body)
		}
	}
}

func TestAnswersOfGuests(t *testing.T) {
	s := serve(t, spec.HTTP{})
	for path, want := range map[string]struct {
		status int
		body   string
		logged string
	}{
		"/":                               {200, "hello from 127.0.0.1\n", ""},
		"/nowhere":                        {404, "nothing here\n", ""},
		"/status?s=201+Created":           {201, "", ""},
		"/status?s=204":                   {204, "", ""},
		"/status?s=100":                   {500, "500 Internal Server Error\n", "want 200 to 599"},
		"/exit?n=3":                       {500, "500 Internal Server Error\n", "exit code 3"},
		"/raw?s=":                         {500, "500 Internal Server Error\n", "ended without an answer"},
		"/raw?s=hello":                    {500, "500 Internal Server Error\n", "an empty line is missing"},
		"/raw?s=hello%0A%0A":              {500, "500 Internal Server Error\n", "which is no field"},
		"/raw?s=X:1%0A%0Ahello":           {500, "500 Internal Server Error\n", "none of Content-Type, Status and Location"},
		"/raw?s=Location:/there%0D%0A%0A": {302, "", ""},
		"/raw?s=Status:200%0A%0Ahello":    {200, "hello", ""},
	} {
		if status, body := s.get(path); status != want.status || body != want.body {
			t.Errorf("%s: got %d %q, want %d %q", path, status, body, want.status, want.body)
		}
		s.logged(want.logged)
	}
	s.logged("stderr F giving up")
	for path, want := range map[string]string{
		"/raw?s=Status:200%0AContent-Length:9%0A%0Ashort": "4 bytes short of its Content-Length",
		"/half?n=1": "exit code 1",
	} {
		if r, err := client(t).Get("http://" + s.address + path); err == nil {
			if body, err := io.ReadAll(r.Body); err == nil {
				t.Errorf("%s: half an answer came as all of it: %q", path, body)
			}
			r.Body.Close()
		}
		s.logged(want)
	}
	if status, _ := s.get("/"); status != 200 {
		t.Errorf("after all that: status %d", status)
	}
}

func TestTrapIsLoggedAndSaysNothing(t *testing.T) {
	module := filepath.Join(t.TempDir(), "trap.wasm")
	if err := os.WriteFile(module, enginetest.Trap(), 0o644); err != nil {
		t.Fatal(err)
	}
	code := t.TempDir()
	if err := compile(module, code); err != nil {
		t.Fatal(err)
	}
	s := serveModule(t, module, code, spec.HTTP{})
	for range 3 {
		if status, body := s.get("/"); status != 500 || body != "500 Internal Server Error\n" {
			t.Errorf("got %d %q", status, body)
		}
	}
	s.logged(`wagi: GET "/" from 127.0.0.1:`)
	s.logged("wasm trap: unreachable")
	s.logged("at crash()")
}

func TestBigBodiesBothWays(t *testing.T) {
	s := serve(t, spec.HTTP{})
	sent := bytes.Repeat([]byte("wazelet "), 4<<20)
	for name, body := range map[string]io.Reader{"sized": bytes.NewReader(sent), "chunked": io.MultiReader(bytes.NewReader(sent))} {
		r, err := client(t).Post("http://"+s.address+"/echo", "text/x", body)
		if err != nil {
			t.Fatal(name, err)
		}
		sum, want := sha256.New(), sha256.Sum256(sent)
		if n, err := io.Copy(sum, r.Body); err != nil || n != int64(len(sent)) || !bytes.Equal(sum.Sum(nil), want[:]) {
			t.Errorf("%s: got %d bytes, %v", name, n, err)
		}
		r.Body.Close()
		if r.Header.Get("Content-Type") != "text/x" || len(r.TransferEncoding) != 1 {
			t.Errorf("%s: got %v, %v", name, r.Header, r.TransferEncoding)
		}
	}
	const size = 64 << 20
	r, err := client(t).Get(fmt.Sprintf("http://%s/big?n=%d", s.address, size))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if n, err := io.Copy(io.Discard, r.Body); n != size || err != nil || r.ContentLength != size {
		t.Errorf("got %d of %d bytes, %v", n, r.ContentLength, err)
	}
}

func TestConnectionsAreKept(t *testing.T) {
	s := serve(t, spec.HTTP{})
	c := client(t)
	for i, path := range []string{"/", "/count", "/raw?s=", "/big?n=100000", "/status?s=204", "/nowhere", "/"} {
		var reused bool
		trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }}
		q, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodPost, "http://"+s.address+path, strings.NewReader("unread or not"))
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Do(q)
		if err != nil {
			t.Fatal(path, err)
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Fatal(path, err)
		}
		r.Body.Close()
		if reused != (i > 0) {
			t.Errorf("%s: reused is %t", path, reused)
		}
	}
	answer := s.talk(strings.Repeat("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", 3) + "GET / HTTP/1.0\r\n\r\n")
	if n := strings.Count(answer, "HTTP/1.1 200 "); n != 4 || !strings.HasSuffix(answer, "\r\n\r\nhello from 127.0.0.1\n") {
		t.Errorf("pipelined: got %d answers in %q", n, answer)
	}
}

func TestStreamsAsTheGuestWrites(t *testing.T) {
	s := serve(t, spec.HTTP{})
	r, err := client(t).Get("http://" + s.address + "/stream?d=1s")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	lines := bufio.NewReader(r.Body)
	first, err := lines.ReadString('\n')
	began := time.Now()
	second, err2 := lines.ReadString('\n')
	if first != "first\n" || second != "second\n" || err != nil || err2 != nil || time.Since(began) < 500*time.Millisecond {
		t.Errorf("got %q, %v, and %q, %v after %s", first, err, second, err2, time.Since(began))
	}
}

func TestClientsThatAreRefused(t *testing.T) {
	s := serve(t, spec.HTTP{})
	for request, want := range map[string]string{
		"GET / HTTP/1.1\r\n\r\n":                                                                "400",
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n":                                          "400",
		"GET / HTTP/2.0\r\nHost: a\r\n\r\n":                                                     "505",
		"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n":                                               "501",
		"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n":                                                  "400",
		"GET / HTTP/1.1\nHost: a\n\n":                                                           "400",
		"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n":                                            "400",
		"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n":                                          "400",
		"GET /" + strings.Repeat("a", 9000) + " HTTP/1.1\r\n":                                   "431",
		"GET / HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", 101) + "\r\n":                         "431",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n":                              "400",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n":          "400",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n": "400",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n":                "501",
		"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n":                                 "400",
		"POST / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n":                                "417",
	} {
		if answer := s.talk(request); !strings.HasPrefix(answer, "HTTP/1.1 "+want+" ") {
			t.Errorf("%.80q: got %q, want %s", request, answer, want)
		}
	}
	answer := s.talk("POST /count HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
	if !strings.HasPrefix(answer, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ") {
		t.Errorf("100-continue: got %q", answer)
	}
}

func TestRunsAreBounded(t *testing.T) {
	s := serve(t, spec.HTTP{Concurrency: 2})
	began := time.Now()
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			if status, body := s.get("/slow?d=400ms"); status != 200 || body != "at last\n" {
				t.Errorf("got %d %q", status, body)
			}
		})
	}
	all.Wait()
	if took := time.Since(began); took < 1200*time.Millisecond {
		t.Errorf("six of 400ms, two at once, took %s", took)
	}
}

func TestWhoWaitsTooLongIsTold(t *testing.T) {
	s := serve(t, spec.HTTP{Concurrency: 1})
	busy := s.dial()
	fmt.Fprint(busy, "GET /stream?d=1h HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, err := bufio.NewReader(busy).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if answer := s.talk("GET / HTTP/1.1\r\nHost: a\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 503 ") || !strings.Contains(answer, "Retry-After: 1\r\n") {
		t.Errorf("got %q", answer)
	}
}

func TestTimeOfARequest(t *testing.T) {
	s := serve(t, spec.HTTP{Timeout: time.Second})
	if status, body := s.get("/slow?d=1h"); status != 504 || body != "504 Gateway Timeout\n" {
		t.Errorf("got %d %q", status, body)
	}
	s.logged("its time is over (1s)")
	if status, _ := s.get("/"); status != 200 {
		t.Errorf("afterwards: %d", status)
	}
}

// TestGuestThatComputesForEver has others served beside it, garbage collected
// or not, until its time is over.
func TestGuestThatComputesForEver(t *testing.T) {
	s := serve(t, spec.HTTP{Timeout: 4 * time.Second})
	spinning := s.dial()
	fmt.Fprint(spinning, "GET /spin HTTP/1.1\r\nHost: a\r\n\r\n")
	end := time.Now().Add(3 * time.Second)
	served := 0
	for c := client(t); time.Now().Before(end); served++ {
		r, err := c.Get("http://" + s.address + "/")
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	t.Logf("%d requests served beside it", served)
	if served < 20 {
		t.Errorf("%d requests were served beside it", served)
	}
	exit := s.wait()
	if exit.Code != 134 || !strings.Contains(exit.Message, `GET "/spin"`) || !strings.Contains(exit.Message, "computes without pause after its time of 4s") {
		t.Errorf("exit %+v", exit)
	}
	s.logged("computes without pause")
}

func TestMemoryIsGivenBack(t *testing.T) {
	s := serve(t, spec.HTTP{Concurrency: 2})
	load := func(n int) {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				c := client(t)
				for range n {
					r, err := c.Get("http://" + s.address + "/big?n=70000")
					if err != nil {
						t.Error(err)
						return
					}
					io.Copy(io.Discard, r.Body)
					r.Body.Close()
				}
			})
		}
		all.Wait()
	}
	load(50)
	before := anonymous(t, s.process.Pid)
	load(250)
	after := anonymous(t, s.process.Pid)
	t.Logf("anonymous memory: %d kB after 200 requests, %d kB after 1200", before, after)
	if after > before+24<<10 {
		t.Errorf("1000 requests left %d kB", after-before)
	}
}

func anonymous(t testing.TB, pid int) (kB int) {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "RssAnon:")
	if _, err := fmt.Sscan(rest, &kB); err != nil {
		t.Fatal(err)
	}
	return kB
}

func TestStopFinishesWhatIsBegun(t *testing.T) {
	s := serve(t, spec.HTTP{})
	idle := s.dial()
	fmt.Fprint(idle, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, err := bufio.NewReader(idle).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	r, err := client(t).Get("http://" + s.address + "/stream?d=1s")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if err := s.process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(r.Body); string(body) != "first\nsecond\n" || err != nil {
		t.Errorf("got %q, %v", body, err)
	}
	if exit := s.wait(); exit.Code != 143 {
		t.Errorf("exit %+v", exit)
	}
}

func TestIdleStopsAtOnce(t *testing.T) {
	s := serve(t, spec.HTTP{})
	if status, _ := s.get("/"); status != 200 {
		t.Fatal(status)
	}
	began := time.Now()
	if err := s.process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if exit := s.wait(); exit.Code != 143 || time.Since(began) > time.Second {
		t.Errorf("exit %+v after %s", exit, time.Since(began))
	}
}

func TestSecondSignalDoesNotWait(t *testing.T) {
	s := serve(t, spec.HTTP{})
	busy := s.dial()
	fmt.Fprint(busy, "GET /stream?d=1h HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, err := bufio.NewReader(busy).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := s.process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for { // until the first has arrived: nobody is let in any more
		c, err := net.Dial("tcp", s.address)
		if err != nil {
			break
		}
		c.Close()
	}
	if err := s.process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if exit := s.wait(); exit.Code != 143 {
		t.Errorf("exit %+v", exit)
	}
}
