// SPDX-License-Identifier: Apache-2.0

package wagi

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// TestAnswerInPieces has a guest write its answer in two pieces, cut at every
// byte: the client must see the same.
func TestAnswerInPieces(t *testing.T) {
	for _, said := range []string{
		"Content-Type: text/plain\n\nbody\n\nof it",
		"Status: 404 Not Found\r\nContent-Type: a/b\r\n\r\n\r\nbody",
		"Location: /x\nContent-Length: 3\n\nabc",
	} {
		whole := client(t, said)
		for i := range said {
			if got := client(t, said[:i], said[i:]); got != whole {
				t.Errorf("%q cut at %d: got %q, want %q", said, i, got, whole)
			}
		}
	}
}

// client is what a client understands of an answer.
func client(t *testing.T, pieces ...string) string {
	t.Helper()
	var out bytes.Buffer
	a := &answer{out: bufio.NewWriter(&out), stop: func() {}}
	for _, p := range pieces {
		if _, err := a.Write([]byte(p)); err != nil {
			t.Fatalf("%q: %v", pieces, err)
		}
	}
	if err := a.finish(); err != nil {
		t.Fatalf("%q: %v", pieces, err)
	}
	r, err := http.ReadResponse(bufio.NewReader(&out), nil)
	if err != nil {
		t.Fatalf("%q: %v", pieces, err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatalf("%q: %v", pieces, err)
	}
	return r.Status + " " + r.Header.Get("Content-Type") + r.Header.Get("Location") + " " + string(body)
}

func TestHeaderOfAGuestIsBounded(t *testing.T) {
	for name, piece := range map[string]string{
		"one line":    strings.Repeat("a", 1000),
		"many fields": "X: y\n",
	} {
		stopped := false
		a := &answer{out: bufio.NewWriter(io.Discard), stop: func() { stopped = true }}
		var err error
		for range 8000 {
			if _, err = a.Write([]byte(piece)); err != nil {
				break
			}
		}
		if err == nil || !stopped || a.begun || len(a.pending) > maxResponseHead {
			t.Errorf("%s: %v, stopped %t, %d bytes kept", name, err, stopped, len(a.pending))
		}
	}
}

func TestBodyBeyondItsLength(t *testing.T) {
	a := &answer{out: bufio.NewWriter(io.Discard), stop: func() {}}
	if _, err := a.Write([]byte("Status: 200\nContent-Length: 2\n\nab")); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Write([]byte("c")); err == nil {
		t.Error("the third byte of two was taken")
	}
}

func TestWholeLinesReachTheLog(t *testing.T) {
	var log calls
	l := &lines{log: &log}
	for _, p := range []string{"a", "b\nc", "d\n\ne", strings.Repeat("x", lineSize), "tail"} {
		l.Write([]byte(p))
	}
	l.flush()
	want := calls{"ab\n", "cd\n\n", "e" + strings.Repeat("x", lineSize), "tail\n"}
	if strings.Join(log, "|") != strings.Join(want, "|") {
		t.Errorf("got %.60q", log)
	}
}

type calls []string

func (c *calls) Write(p []byte) (int, error) {
	*c = append(*c, string(p))
	return len(p), nil
}

// FuzzResponse feeds a guest's output to the parser. What it takes must be an
// answer that a client understands, and must hold nothing of the guest's that
// could end a line or the connection.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		"Content-Type: text/plain\n\nhello", "Status: 404 Not Found\r\n\r\n", "Location: /\nStatus: 301\n\n",
		"Content-Length: 5\nStatus: 200\n\nhello", "Connection: close\nTransfer-Encoding: chunked\nStatus: 200\n\n0\n\n",
		"\n", "X: a\rb\n\n", "Status: 99\n\n", "Status: 200\nStatus: 200\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		var out bytes.Buffer
		a := &answer{out: bufio.NewWriter(&out), stop: func() {}}
		if _, err := a.Write(said); err != nil || a.finish() != nil {
			return
		}
		in := bufio.NewReader(&out)
		r, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%q became %q: %v", said, out.Bytes(), err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || in.Buffered() > 0 {
			t.Fatalf("%q: %v, %d bytes behind the answer", said, err, in.Buffered())
		}
		if r.StatusCode < 200 || r.Close || !bytes.HasSuffix(said, body) {
			t.Fatalf("%q became %d %v %q", said, r.StatusCode, r.Header, body)
		}
	})
}

// FuzzRequest feeds bytes of a client to the parser. What it takes, net/http
// must read in the same way: whatever stands in front of a worker will.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		"GET /a%20b?c=d HTTP/1.1\r\nHost: x:80\r\nA: b\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: r\r\n\r\n",
		"GET http://h/p?q HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "GET /%zz HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		in := bufio.NewReaderSize(bytes.NewReader(raw), maxLine)
		q, err := readRequest(in)
		if err != nil {
			return
		}
		for _, kv := range append(q.environment(nil, netip.AddrPort{}, netip.AddrPort{}), q.arguments()...) {
			if strings.IndexByte(kv, 0) >= 0 {
				t.Fatalf("%q: NUL in %q", raw, kv)
			}
		}
		_ = q.summary(netip.AddrPort{})
		body, err := io.ReadAll(q.body(in))
		want, wantErr := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if wantErr != nil {
			return // stricter in what we do not look at, as escapes in a query
		}
		wantBody, wantErr := io.ReadAll(want.Body)
		path := want.URL.Path
		if path == "" {
			path = "/" // of http://host
		}
		if q.method != want.Method || q.host != want.Host || q.path != path || q.length != want.ContentLength {
			t.Fatalf("%q: got %+v, want %+v", raw, q, want)
		}
		if err == nil && wantErr == nil && !bytes.Equal(body, wantBody) {
			t.Fatalf("%q: got body %q, want %q", raw, body, wantBody)
		}
	})
}
