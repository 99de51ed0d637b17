// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/toolbox/command"
)

func TestWGetReadsAnswersOfAnyForm(t *testing.T) {
	for name, test := range map[string]struct {
		answer, stdout, stderr string
		code                   int
	}{
		"a length":         {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbodyand more", "body", "", 0},
		"to the end":       {"HTTP/1.0 200 OK\n\nbody", "body", "", 0},
		"chunks":           {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nbod\r\n1\r\ny\r\n0\r\n\r\n", "body", "", 0},
		"another first":    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\nContent-Length: 4\r\n\r\nbody", "body", "", 0},
		"an error":         {"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nbody", "", "wget: server returned error: HTTP/1.1 404 Not Found\n", 1},
		"too short":        {"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nbody", "body", "unexpected EOF", 1},
		"a broken chunk":   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbodyx", "body", "a chunk does not end where it should", 1},
		"no last chunk":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n", "body", "unexpected EOF", 1},
		"an odd chunk":     {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-4\r\nbody\r\n", "", "a chunk without a size", 1},
		"an odd coding":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nbody", "", `the answer's coding "gzip" is not known`, 1},
		"an odd length":    {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nbody", "", `the answer's length "-1" is not a number`, 1},
		"another protocol": {"220 mail.example ready\r\n", "", "the answer is not HTTP", 1},
		"nothing":          {"", "", "no answer: EOF", 1},
		"endless heads":    {strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", maxInterim+1), "", "the answer does not begin", 1},
		"a long head":      {"HTTP/1.1 200 OK\r\n" + strings.Repeat("a: b\r\n", maxFields+1) + "\r\n", "", "the header is too long", 1},
		"https":            {"HTTP/1.1 302 Found\r\nLocation: https://x/\r\n\r\n", "", "https://x/: https is not supported, only http\n", 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := answers(t, test.answer)
			expect(t, run(t, "", "wget", "-q", "-O", "-", "http://127.0.0.1:"+s.port+"/path?q"), test.code, test.stdout, test.stderr)
			want := "GET /path?q HTTP/1.1\r\nHost: 127.0.0.1:" + s.port + "\r\nUser-Agent: wazelet-toolbox\r\nAccept: */*\r\nConnection: close\r\n\r\n"
			if got := s.requests(); len(got) != 1 || got[0] != want {
				t.Errorf("it asked %q, want %q", got, want)
			}
		})
	}
}

func TestWGetFollows(t *testing.T) {
	const moved, done = "HTTP/1.1 302 Found\r\nLocation: ", "HTTP/1.1 200 OK\r\n\r\ndone"
	s := answers(t, moved+"other\r\n\r\n", moved+"/x/y?a=b#c\r\n\r\n", moved+"../z/\r\n\r\n", moved+"?q\r\n\r\n",
		moved+"//127.0.0.1:PORT/1\r\n\r\n", moved+"http://127.0.0.1:PORT/2\r\n\r\n", done)
	expect(t, run(t, "", "wget", "-q", "-O", "-", "127.0.0.1:"+s.port+"/dir/name"), 0, "done", "")
	var got []string
	for _, request := range s.requests() {
		got = append(got, strings.Fields(request)[1])
	}
	if want := "/dir/name /dir/other /x/y?a=b /z/ /z/?q /1 /2"; strings.Join(got, " ") != want {
		t.Errorf("it asked for %q, want %s", got, want)
	}
	s = answers(t, moved+"/\r\n\r\n", done)
	expect(t, run(t, "", "wget", "-q", "-O", "-", "--post-data", "data", "127.0.0.1:"+s.port), 0, "done", "")
	if got := s.requests(); !strings.HasPrefix(got[0], "POST / ") || !strings.HasPrefix(got[1], "GET / ") {
		t.Errorf("it asked %q", got)
	}
	loop := make([]string, maxRedirects+1)
	for i := range loop {
		loop[i] = moved + "/\r\n\r\n"
	}
	s = answers(t, loop...)
	expect(t, run(t, "", "wget", "-q", "-O", "-", "127.0.0.1:"+s.port), 1, "", "redirected too often")
}

func TestWGetSaves(t *testing.T) {
	s := answers(t, "HTTP/1.1 200 OK\r\nB: 2\r\nA: \x1b[1m\r\n\r\nbody", "HTTP/1.1 200 OK\r\n\r\nindex", "HTTP/1.1 200 OK\r\n\r\nnothing of this")
	dir := t.TempDir()
	var stderr bytes.Buffer
	get := func(args ...string) int {
		stderr.Reset()
		return wget(t.Context(), &command.Call{Name: "wget", Args: append(args, "-T", "60"), Dir: dir, Stdout: io.Discard, Stderr: &stderr})
	}
	if code := get("-S", "http://127.0.0.1:"+s.port+"/a/file?x"); code != 0 {
		t.Error(code)
	}
	if want := "Connecting to 127.0.0.1:" + s.port + "\n  HTTP/1.1 200 OK\n  a: ?[1m\n  b: 2\n'file' saved, 4 bytes\n"; stderr.String() != want {
		t.Errorf("it says %q, want %q", &stderr, want)
	}
	if code := get("-q", "127.0.0.1:"+s.port); code != 0 {
		t.Error(code)
	}
	if code := get("-q", "--spider", "127.0.0.1:"+s.port+"/spider"); code != 0 || stderr.Len() > 0 {
		t.Error(code, &stderr)
	}
	if got := s.requests()[2]; !strings.HasPrefix(got, "HEAD /spider ") {
		t.Errorf("it asked %q", got)
	}
	for name, want := range map[string]string{"file": "body", "index.html": "index"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s has %q (%v), want %q", name, got, err, want)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("%v (%v)", left, err)
	}
}

func TestWhatWGetCannotGet(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed := freePort(t)
	for _, test := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{nil, 2, "which URL?"},
		{[]string{"-T", "soon", "x"}, 2, "soon: not a time"},
		{[]string{"https://127.0.0.1/"}, 1, "https is not supported"},
		{[]string{"http://user:pass@127.0.0.1/"}, 1, "names and passwords"},
		{[]string{"http:///x"}, 1, "not an address"},
		{[]string{"http://a b/"}, 1, "not an address"},
		{[]string{"127.0.0.1:99999"}, 1, "99999: not a port"},
		{[]string{"127.0.0.1:" + closed}, 1, "can't connect to 127.0.0.1:" + closed + ": Connection refused"},
		{[]string{"-T", "0.05", silent.Addr().String()}, 1, "no answer in time"},
		{[]string{"--header", "a: b\r\nc: d", silent.Addr().String()}, 1, "a field is one line"},
	} {
		expect(t, run(t, "", append([]string{"wget", "-q"}, test.args...)...), test.code, "", test.stderr)
	}
}

func TestWGetEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	code := make(chan int)
	go func() {
		code <- wget(ctx, &command.Call{Name: "wget", Args: []string{"-q", l.Addr().String()}, Dir: "/", Stdout: io.Discard, Stderr: io.Discard})
	}()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cancel()
	if got := <-code; got != 1 {
		t.Errorf("exit code %d", got)
	}
}

func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", "HTTP/1.0 302\nlocation: /\n\n",
		"HTTP/1.1 100 c\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := bufio.NewReaderSize(bytes.NewReader(data), 16)
		r, err := readResponse(in)
		if err != nil {
			return
		}
		if r.status < 200 || r.status > 599 || len(r.lines) != len(r.fields)+1 {
			t.Errorf("%+v", r)
		}
		if body, err := bodyOf(in, r.fields); err == nil {
			if n, _ := io.Copy(io.Discard, body); n > int64(len(data)) {
				t.Errorf("%d bytes out of %d", n, len(data))
			}
		}
	})
}

func FuzzURL(f *testing.F) {
	f.Add("http://[::1]:80/a?b#c", "../x?y")
	f.Add("host", "//other:1")
	f.Add("http://h/a/b/", "http:x")
	f.Fuzz(func(t *testing.T, url, reference string) {
		a, err := parseURL(url)
		if err != nil {
			return
		}
		if a.host == "" || a.port == 0 || !isVisible(a.target) || a.target[0] != '/' || !isVisible(hostOf(a)) {
			t.Errorf("%q: %+v", url, a)
		}
		if next, err := parseURL(follow(a, reference)); err == nil && (next.host == "" || next.target[0] != '/') {
			t.Errorf("%q from %q: %+v", reference, url, next)
		}
	})
}
