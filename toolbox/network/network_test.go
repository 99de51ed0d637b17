// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/toolbox/command"
	"github.com/wazelet/wazelet/toolbox/socket"
)

// serveHere serves a directory; its address is what comes back.
func serveHere(t *testing.T, home string) string {
	t.Helper()
	l, err := socket.Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	s := &server{c: &command.Call{Name: "httpd", Stderr: io.Discard}, home: home, slots: make(chan struct{}, maxClients)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int)
	go func() { ended <- s.serve(ctx, []socket.Listener{l}) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("the server ended with %d", code)
		}
	})
	return l.Addr().String()
}

func TestFilesAreServed(t *testing.T) {
	home := t.TempDir()
	os.WriteFile(filepath.Join(home, "index.html"), []byte("<p>home"), 0o600)
	os.Mkdir(filepath.Join(home, "sub dir"), 0o700)
	os.WriteFile(filepath.Join(home, "sub dir", "a.json"), []byte("{}"), 0o600)
	os.WriteFile(filepath.Join(filepath.Dir(home), "secret"), []byte("secret"), 0o600)
	addr := serveHere(t, home)
	for _, s := range []struct {
		method, path string
		status       int
		kind, body   string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8", "<p>home"},
		{"HEAD", "/index.html?x=y", 200, "text/html; charset=utf-8", ""},
		{"GET", "/sub%20dir/a.json", 200, "application/json", "{}"},
		{"GET", "/sub%20dir/", 404, "text/plain; charset=utf-8", "not found\n"},
		{"GET", "/../secret", 404, "text/plain; charset=utf-8", "not found\n"},
		{"GET", "/%2e%2e/secret", 404, "text/plain; charset=utf-8", "not found\n"},
		{"GET", "/none", 404, "text/plain; charset=utf-8", "not found\n"},
		{"DELETE", "/", 405, "text/plain; charset=utf-8", "only GET and HEAD are served here\n"},
	} {
		r, err := http.NewRequest(s.method, "http://"+addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Opaque = s.path
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != s.status || string(body) != s.body || resp.Header.Get("Content-Type") != s.kind {
			t.Errorf("%s %s: %d %q %q, %v", s.method, s.path, resp.StatusCode, body, resp.Header.Get("Content-Type"), err)
		}
	}
}

func TestRequestsOnOneConnection(t *testing.T) {
	addr := serveHere(t, "")
	for _, s := range []struct{ sent, want string }{
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200 200"},
		{"GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n", "200"},
		{"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "405"},
		{"nonsense\r\n\r\n", "400"},
		{"GET / HTTP/2.0\r\n\r\n", "505"},
		{"GET /" + strings.Repeat("a", maxTarget+100) + " HTTP/1.1\r\nHost: a\r\n\r\n", "414"},
		{"GET / HTTP/1.1\r\n" + strings.Repeat("a: b\r\n", maxFields+2) + "\r\n", "431"},
		{"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "400"},
		{"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n", "413"},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "501"},
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, s.sent)
		conn.(*net.TCPConn).CloseWrite()
		in, statuses := bufio.NewReader(conn), []string{}
		for {
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				break
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			statuses = append(statuses, resp.Status[:3])
		}
		conn.Close()
		if got := strings.Join(statuses, " "); got != s.want {
			t.Errorf("%.60q: %s, want %s", s.sent, got, s.want)
		}
	}
}

// answer is a server that answers each connection with a text.
func answer(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			http.ReadRequest(bufio.NewReader(conn))
			io.WriteString(conn, text)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func runWget(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	c := &command.Call{Name: "wget", Args: args, Dir: t.TempDir(), Stdout: &out, Stderr: &errs}
	code = wget(context.Background(), c)
	return out.String(), errs.String(), code
}

func TestAnswersThatWgetReads(t *testing.T) {
	for _, s := range []struct {
		answer, want string
		code         int
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "hi", 0},
		{"HTTP/1.1 200 OK\r\n\r\nto the end", "to the end", 0},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n", "abcde", 0},
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\nlate", "late", 0},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", "hi", 1},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", "abc", 1},
		{"HTTP/1.1 404 Not Found\r\n\r\nno", "", 1},
		{"SSH-2.0-x\r\n", "", 1},
		{"", "", 1},
		{"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n", "", 1},
		{"HTTP/1.1 302 Found\r\nLocation: https://x/\r\n\r\n", "", 1},
	} {
		out, errs, code := runWget(t, "-q", "-O", "-", "http://"+answer(t, s.answer)+"/x")
		if out != s.want || code != s.code || (errs == "") != (code == 0) {
			t.Errorf("%q: %d %q %q", s.answer, code, out, errs)
		}
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]address{
		"http://a/b?c#d": {"a", "/b?c", 80}, "a": {"a", "/", 80}, "http://[::1]:8080": {"::1", "/", 8080}, "a:1?q": {"a", "/?q", 1},
	} {
		if got, err := parseURL(text); got != want || err != nil {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"https://a", "ftp://a", "http://", "http://u:p@a/", "http://a:0/", "http://a:99999/", "http://a/ b"} {
		if got, err := parseURL(text); err == nil {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

func TestTablesOfTheKernel(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000002 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0200000A:C350 0101A8C0:01BB 01 00000003:00000000 02:00000000 00000000  1000        0 2 1 0 20 4 30 10 -1
   2: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000
   junk
`
	var got []string
	err := parseConnections(strings.NewReader(table), func(n connection) {
		got = append(got, shortAddr(n.local)+" "+shortAddr(n.remote)+" "+stateName(n.state))
	})
	want := []string{"127.0.0.1:8080 0.0.0.0:* LISTEN", "10.0.0.2:50000 192.168.1.1:443 ESTABLISHED", "::1:53 :::* CLOSE"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

func TestNamesThatAreSearched(t *testing.T) {
	r := parseResolvConf("# c\nnameserver 10.0.0.10\nnameserver ::1\nsearch ns.svc.cluster.local svc.cluster.local\noptions ndots:5 edns0\n")
	if !slices.Equal(r.servers, []string{"10.0.0.10", "::1"}) || r.ndots != 5 {
		t.Errorf("%+v", r)
	}
	for name, want := range map[string]string{
		"web":  "web.ns.svc.cluster.local. web.svc.cluster.local. web.",
		"a.b.": "a.b.", "a.b.c.d.e.f": "a.b.c.d.e.f. a.b.c.d.e.f.ns.svc.cluster.local. a.b.c.d.e.f.svc.cluster.local.",
	} {
		if got := strings.Join(r.candidates(name), " "); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got := reverseName(netip.MustParseAddr("192.0.2.1")); got != "1.2.0.192.in-addr.arpa." {
		t.Error(got)
	}
	if got := reverseName(netip.MustParseAddr("2001:db8::1")); !strings.HasPrefix(got, "1.0.0.0.") || !strings.HasSuffix(got, ".8.b.d.0.1.0.0.2.ip6.arpa.") {
		t.Error(got)
	}
}

func TestQueriesAndAnswers(t *testing.T) {
	query, err := newQuery(7, "web.example.", typeA)
	if want := "\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03web\x07example\x00\x00\x01\x00\x01"; string(query) != want || err != nil {
		t.Errorf("%q, %v", query, err)
	}
	for _, name := range []string{"", "a..b", strings.Repeat("a", 64), strings.Repeat("abcd.", 60)} {
		if _, err := newQuery(7, name, typeA); err == nil {
			t.Errorf("%q is no name", name)
		}
	}
	head := string(query[:2]) + "\x81\x80\x00\x01\x00\x02\x00\x00\x00\x00" + string(query[12:])
	records, err := parseAnswer([]byte(head+"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x05\x00\x06\x03www\xc0\x10"+
		"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\xc0\x00\x02\x01"), query)
	if err != nil || len(records) != 2 || records[0].value != "www.example" || records[1].value != "192.0.2.1" {
		t.Errorf("%+v, %v", records, err)
	}
	for _, broken := range []string{
		head, head + "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x03\x01\x02\x03",
		string(query[:2]) + "\x81\x80\x00\x00\x00\x01\x00\x00\x00\x00\xc0\x0c", // a name that points at itself
	} {
		if _, err := parseAnswer([]byte(broken), query); err == nil {
			t.Errorf("%q was taken", broken)
		}
	}
}
