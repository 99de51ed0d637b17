// SPDX-License-Identifier: Apache-2.0

package httpcall_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero/sys"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

func TestOnlyWhatIsAllowed(t *testing.T) {
	allowed, other := serve(t, mirror), serve(t, mirror)
	origin := originOf(t, allowed)
	for name, c := range map[string]struct {
		allowed []spec.Origin
		url     string
		want    httpcall.Error
	}{
		"nothing":                 {nil, allowed.URL, httpcall.DestinationNotAllowed},
		"anything":                {[]spec.Origin{{}}, allowed.URL, httpcall.Success},
		"the origin":              {[]spec.Origin{{Host: "other.example"}, origin}, allowed.URL, httpcall.Success},
		"in capitals":             {[]spec.Origin{origin}, strings.Replace(allowed.URL, "http", "HTTP", 1), httpcall.Success},
		"its host":                {[]spec.Origin{{Host: "127.0.0.1"}}, other.URL, httpcall.Success},
		"another port":            {[]spec.Origin{origin}, other.URL, httpcall.DestinationNotAllowed},
		"another scheme":          {[]spec.Origin{{Scheme: "https", Host: "127.0.0.1"}}, allowed.URL, httpcall.DestinationNotAllowed},
		"another host":            {[]spec.Origin{{Host: "example.com"}}, "http://www.example.com/", httpcall.DestinationNotAllowed},
		"the host as a user":      {[]spec.Origin{{Host: "example.com"}}, "http://example.com@127.0.0.1/", httpcall.DestinationNotAllowed},
		"an address written ill":  {[]spec.Origin{{Host: "127.0.0.1"}}, "http://127.1/", httpcall.DestinationNotAllowed},
		"IPv6 in another form":    {[]spec.Origin{{Host: "127.0.0.1"}}, "http://[::ffff:7f00:1]/", httpcall.DestinationNotAllowed},
		"a query with the origin": {[]spec.Origin{origin}, "http://example.com/?" + allowed.URL, httpcall.DestinationNotAllowed},
	} {
		o := anywhere
		o.Allowed = c.allowed
		g := newGuest(t, o, wasi.Options{})
		if errno, err := g.Call(fn("req"), g.arguments(request{url: c.url})...); errno != c.want || err != nil {
			t.Errorf("%s: %d, %v, want %d", name, errno, err, c.want)
		}
		if told := strings.Contains(g.log.String(), "not allowed"); told != (c.want != httpcall.Success) {
			t.Errorf("%s: the log has %q", name, g.log)
		}
	}
}

// TestWithoutAClientNothingIsAllowed: such is the worker of most containers.
func TestWithoutAClientNothingIsAllowed(t *testing.T) {
	g := guestWith(t, &httpcall.Outbound{}, wasi.Options{})
	g.refused(httpcall.DestinationNotAllowed, request{url: "https://user:secret@example.com/\x7fpath"[:32]})
	g.refused(httpcall.InvalidURL, request{url: "example.com"})
	g.Expect(httpcall.InvalidHandle, fn("body_read"), 0, atBuffer, 1, atWritten)
	g.Expect(httpcall.Success, fn("close"), 0)
	if want := "HTTP request https://user:xxxxx@example.com/: its destination is not allowed\n"; g.log.String() != want {
		t.Errorf("the log has %q, want %q", g.log, want)
	}
}

func TestRedirects(t *testing.T) {
	other := serve(t, mirror)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/see":
			http.Redirect(w, r, "/there", http.StatusSeeOther)
		case "/keep":
			http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
		case "/other":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/strange":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		default:
			mirror(w, r)
		}
	})
	o := anywhere
	o.Allowed = []spec.Origin{originOf(t, server)}
	g := newGuest(t, o, wasi.Options{})
	for path, want := range map[string]string{"/see": "GET /there ", "/keep": "POST /there "} {
		_, h := g.ask(request{url: server.URL + path, method: "POST", body: "hello"})
		if got := g.body(h); !strings.HasPrefix(got, want) || strings.HasSuffix(got, "\n5:hello") != (path == "/keep") {
			t.Errorf("%s leads to %q", path, got)
		}
		g.Expect(httpcall.Success, fn("close"), h)
	}
	g.refused(httpcall.DestinationNotAllowed, request{url: server.URL + "/other"})
	g.refused(httpcall.DestinationNotAllowed, request{url: server.URL + "/strange"})
	g.refused(httpcall.RequestError, request{url: server.URL + "/round"})
	for _, want := range []string{"the redirect's destination is not allowed: " + other.URL, "more than 10 redirects"} {
		if !strings.Contains(g.log.String(), want) {
			t.Errorf("the log has no %q: %q", want, g.log)
		}
	}
}

func TestOpenResponsesAreCounted(t *testing.T) {
	server := serve(t, mirror)
	g := newGuest(t, anywhere, wasi.Options{})
	for range anywhere.Concurrency {
		g.ask(request{url: server.URL})
	}
	g.refused(httpcall.TooManySessions, request{url: server.URL})
	g.Expect(httpcall.Success, fn("close"), 2)
	g.refused(httpcall.RequestError, request{url: "http://127.0.0.1:1"}) // it holds no place
	if _, h := g.ask(request{url: server.URL}); h != 2 {
		t.Errorf("the handle is %d", h)
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(mirror))
	defer server.Close()
	g := newGuest(t, anywhere, wasi.Options{})
	_, h := g.ask(request{url: server.URL})
	if got := g.body(h); !strings.HasPrefix(got, "GET / ") {
		t.Errorf("the answer is %q", got)
	}
	stranger := httptest.NewUnstartedServer(http.HandlerFunc(mirror))
	stranger.TLS = &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}
	stranger.Config.ErrorLog = stdlog.New(io.Discard, "", 0) // that the guest hangs up
	stranger.StartTLS()
	defer stranger.Close()
	g.refused(httpcall.RequestError, request{url: stranger.URL})
	if !strings.Contains(g.log.String(), "certificate") {
		t.Errorf("the log has %q", g.log)
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{cert}, PrivateKey: key}
}

// stall serves what a client waits for: the head at /head, the rest of a body elsewhere.
func stall(t *testing.T) (url string) {
	over := make(chan struct{})
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/head" {
			_, _ = io.WriteString(w, "some")
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-over:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(over) }) // before the server's, which waits for its clients
	return server.URL
}

func TestWhatTakesTooLong(t *testing.T) {
	url := stall(t)
	o := anywhere
	o.Timeout = 50 * time.Millisecond
	g := newGuest(t, o, wasi.Options{})
	g.refused(httpcall.RequestError, request{url: url + "/head"})
	_, h := g.ask(request{url: url})
	g.Expect(httpcall.Success, fn("body_read"), h, atBuffer, 100, atWritten)
	if n := g.U32(atWritten); string(g.Mem[atBuffer:atBuffer+n]) != "some" {
		t.Errorf("the body begins with %d bytes", n)
	}
	g.Expect(httpcall.RequestError, fn("body_read"), h, atBuffer, 100, atWritten)
	g.Expect(httpcall.RequestError, fn("body_read"), h, atBuffer, 100, atWritten)
	for _, want := range []string{"no answer within 50ms", "nothing more of the body within 50ms"} {
		if !strings.Contains(g.log.String(), want) {
			t.Errorf("the log has no %q: %q", want, g.log)
		}
	}
}

// TestGuestsThatWaitCanBeEnded, whatever they wait for.
func TestGuestsThatWaitCanBeEnded(t *testing.T) {
	for name, path := range map[string]string{"for a head": "/head", "for a body": "/"} {
		g := newGuest(t, anywhere, wasi.Options{})
		url := stall(t)
		if path == "/" {
			g.ask(request{url: url})
			g.Expect(httpcall.Success, fn("body_read"), 0, atBuffer, 100, atWritten)
		}
		err := wasitest.EndWhenAsleep(g.sys, func() (err error) {
			if path == "/" {
				_, err = g.Call(fn("body_read"), 0, atBuffer, 100, atWritten)
				return err
			}
			_, err = g.Call(fn("req"), g.arguments(request{url: url + path})...)
			return err
		})
		var exit *sys.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		want   string
	}{
		"nothing":            {"", "EOF"},
		"another protocol":   {"SSH-2.0-OpenSSH\r\n\r\n", "malformed"},
		"a header too large": {"HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 70<<10) + "\r\n\r\n", "exceeded"},
		"two lengths":        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "Content-Length"},
	} {
		g := newGuest(t, anywhere, wasi.Options{})
		g.refused(httpcall.RequestError, request{url: raw(t, c.answer)})
		if !strings.Contains(g.log.String(), c.want) {
			t.Errorf("%s: the log has %q", name, g.log)
		}
	}
	g := newGuest(t, anywhere, wasi.Options{})
	_, h := g.ask(request{url: raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nx: \xff\r\n\r\nshort")})
	g.Expect(httpcall.RuntimeError, fn("headers_get_all"), h, atBuffer, 1000, atWritten)
	g.Expect(httpcall.Success, fn("body_read"), h, atBuffer, 100, atWritten)
	g.Expect(httpcall.RequestError, fn("body_read"), h, atBuffer, 100, atWritten)
}

// raw is a server that answers with these bytes whatever it is asked, and closes.
func raw(t *testing.T, answer string) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1<<10))
			_, _ = io.WriteString(conn, answer)
			conn.Close()
		}
	}()
	return fmt.Sprintf("http://%s/", l.Addr())
}
