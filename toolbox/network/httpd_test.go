// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/toolbox/command"
)

// tree makes a directory of files, by their paths.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// serving is a server that runs in this process.
type serving struct {
	port   string
	stderr *bytes.Buffer // to be read after stop
	stop   func() int
}

// serve starts httpd, or nginx, with a port of its own.
func serve(t *testing.T, dir string, argv ...string) serving {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := serving{port: freePort(t), stderr: &bytes.Buffer{}}
	c := &command.Call{
		Name: argv[0], Args: append(argv[1:], "-p", "127.0.0.1:"+s.port), Dir: dir,
		Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: s.stderr,
	}
	code := make(chan int, 1)
	go func() { code <- httpd(ctx, c) }()
	ended := false
	s.stop = func() int {
		if ended {
			return 0
		}
		ended = true
		cancel()
		return <-code
	}
	t.Cleanup(func() { s.stop() })
	dial(t, s.port).Close()
	return s
}

var date = regexp.MustCompile(`Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n`)

// get sends a request and reads until the server closes.
func get(t *testing.T, port, request string) string {
	t.Helper()
	conn := dial(t, port)
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("%v after %q", err, answer)
	}
	if !date.Match(answer) {
		t.Errorf("no date in %q", answer)
	}
	return date.ReplaceAllString(string(answer), "")
}

func want(version, status, kind, connection, body string, more ...string) string {
	fields := strings.Join(append(more, ""), "\r\n")
	return fmt.Sprintf("HTTP/%s %s\r\nServer: wazelet-toolbox\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: %s\r\n%s\r\n%s",
		version, status, kind, len(body), connection, fields, body)
}

func TestHTTPServesFiles(t *testing.T) {
	dir := tree(t, map[string]string{
		"index.html": "home\n", "a b.txt": "spaced\n", "sub/index.html": "sub\n", "empty/x": "", "data.bin": "\x00\x01", "../secret": "secret\n",
	})
	s := serve(t, dir, "httpd", "-f", "-v")
	const html, text, end = "text/html; charset=utf-8", "text/plain; charset=utf-8", " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	for _, test := range []struct{ request, want string }{
		{"GET /" + end, want("1.1", "200 OK", html, "close", "home\n")},
		{"GET /?query" + end, want("1.1", "200 OK", html, "close", "home\n")},
		{"GET http://x/index.html" + end, want("1.1", "200 OK", html, "close", "home\n")},
		{"GET /a%20b.txt" + end, want("1.1", "200 OK", text, "close", "spaced\n")},
		{"GET /data.bin" + end, want("1.1", "200 OK", "application/octet-stream", "close", "\x00\x01")},
		{"GET /sub/" + end, want("1.1", "200 OK", html, "close", "sub\n")},
		{"GET /sub?q=1" + end, want("1.1", "301 Moved Permanently", text, "close", "it is a directory\n", "Location: /sub/?q=1")},
		{"GET //sub" + end, want("1.1", "301 Moved Permanently", text, "close", "it is a directory\n", "Location: /sub/")},
		{"GET /empty/" + end, want("1.1", "404 Not Found", text, "close", "not found\n")},
		{"GET /index.html/" + end, want("1.1", "404 Not Found", text, "close", "not found\n")},
		{"GET /../secret" + end, want("1.1", "404 Not Found", text, "close", "not found\n")},
		{"GET /%2e%2e/secret" + end, want("1.1", "404 Not Found", text, "close", "not found\n")},
		{"GET /sub/..%2f..%2fsecret" + end, want("1.1", "404 Not Found", text, "close", "not found\n")},
		{"GET /" + " HTTP/1.0\r\n\r\n", want("1.0", "200 OK", html, "close", "home\n")},
		{"POST /" + end, want("1.1", "405 Method Not Allowed", text, "close", "only GET and HEAD are served here\n", "Allow: GET, HEAD")},
		{"GET /%00" + end, want("1.1", "400 Bad Request", text, "close", "not a path\n")},
		{"GET / HTTP/1.1\r\n\r\n", want("1.1", "400 Bad Request", text, "close", "the Host field is missing\n")},
		{"GET / HTTP/2.0\r\n\r\n", want("1.1", "505 HTTP Version Not Supported", text, "close", "HTTP/1.1 is spoken here\n")},
		{"nonsense\r\n\r\n", want("1.1", "400 Bad Request", text, "close", "not a request of HTTP/1.1\n")},
	} {
		if got := get(t, s.port, test.request); got != test.want {
			t.Errorf("%q:\n%q, want\n%q", test.request, got, test.want)
		}
	}
	for request, status := range map[string]string{
		"GET /" + strings.Repeat("x", maxTarget) + strings.Repeat("y", 100) + end:            "HTTP/1.1 414 ",
		"GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("a: b\r\n", maxFields+1) + "\r\n":   "HTTP/1.1 431 ",
		"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n":                    "HTTP/1.1 501 ",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n":        "HTTP/1.1 400 ",
		fmt.Sprintf("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", maxDiscard+1): "HTTP/1.1 413 ",
		"HEAD /" + end: "HTTP/1.1 200 OK\r\nDate",
	} {
		conn := dial(t, s.port)
		go func() { _, _ = io.WriteString(conn, request) }() // it is answered before it is read to its end
		got := make([]byte, len(status))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != status {
			t.Errorf("%.80q: %q (%v), want %q", request, got, err, status)
		}
		conn.Close()
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(s.stderr.String(), " GET /?query 200\n") || !strings.Contains(s.stderr.String(), " - - 400\n") {
		t.Errorf("the log is\n%s", s.stderr)
	}
}

func TestAConnectionIsKept(t *testing.T) {
	s := serve(t, tree(t, map[string]string{"f.txt": "text\n"}), "httpd")
	idle := dial(t, s.port) // keeps nobody from being served, and ends with the server
	defer idle.Close()
	conn := dial(t, s.port)
	defer conn.Close()
	in := bufio.NewReader(conn)
	if _, err := io.WriteString(conn, "HEAD /f.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"+
		"GET /f.txt HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		status int
		body   string // what follows the head: nothing after HEAD
	}{{200, ""}, {200, "text\n"}, {404, "not found\n"}} {
		r, err := readResponse(in)
		if err != nil || r.status != want.status || r.fields["connection"] != "keep-alive" {
			t.Fatalf("%+v (%v), want %+v", r, err, want)
		}
		body := make([]byte, len(want.body))
		if _, err := io.ReadFull(in, body); err != nil || string(body) != want.body {
			t.Fatalf("%q (%v), want %q", body, err, want.body)
		}
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if n, err := idle.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Error("the idle connection outlives the server")
	}
}

func TestWithoutFilesAPageSaysThatItWorks(t *testing.T) {
	for _, home := range homes {
		if _, err := os.Stat(home); err == nil {
			t.Fatalf("this machine has %s, which the test needs absent", home)
		}
	}
	s := serve(t, t.TempDir(), "nginx", "-g", "daemon off;")
	const end = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	if got := get(t, s.port, "GET /"+end); got != want("1.1", "200 OK", types[".html"], "close", page) {
		t.Errorf("%q", got)
	}
	if got := get(t, s.port, "GET /other"+end); !strings.HasPrefix(got, "HTTP/1.1 404 ") {
		t.Errorf("%q", got)
	}
}

func TestWhatHTTPDCannotServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file := filepath.Join(tree(t, map[string]string{"file": ""}), "file")
	for _, test := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{"-p", l.Addr().String()}, 1, "Address already in use"},
		{[]string{"-p", "0"}, 1, "0: not a port"},
		{[]string{"-p", "host:80"}, 1, "host: not an address"},
		{[]string{"-h", "/absent"}, 1, "httpd: /absent: No such file or directory"},
		{[]string{"-h", file}, 1, "Not a directory"},
		{[]string{"extra"}, 2, "extra: not expected here"},
	} {
		expect(t, run(t, "", append([]string{"httpd"}, test.args...)...), test.code, "", test.stderr)
	}
}
