// SPDX-License-Identifier: Apache-2.0

package httpcall_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
	"github.com/wazelet/wazelet/runtime/wasi/httpcall/client"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// trusted is the file with the one certificate that guests trust: that of httptest's servers.
var trusted string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "httpcall")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	server := httptest.NewTLSServer(http.NotFoundHandler())
	server.Close()
	trusted = filepath.Join(dir, "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	if err := os.WriteFile(trusted, pem.EncodeToMemory(block), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

var params = map[string]string{
	"req": "iiiiiiiiii", "header_get": "iiiiii", "headers_get_all": "iiii", "body_read": "iiii", "close": "i",
}

// guest is one that makes requests by hand.
type guest struct {
	*wasitest.Caller
	sys *wasi.System
	log *lines
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(&l.text, line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// anywhere allows everything.
var anywhere = spec.Outbound{Allowed: []spec.Origin{{}}, Concurrency: 4, Timeout: time.Minute}

// newGuest makes a guest that may ask what o allows.
func newGuest(tb testing.TB, o spec.Outbound, options wasi.Options) *guest {
	tb.Helper()
	outbound := &httpcall.Outbound{Outbound: o, Client: client.New(o, []string{"SSL_CERT_FILE=" + trusted, "SSL_CERT_DIR=/nowhere", "A=b"})}
	return guestWith(tb, outbound, options)
}

func guestWith(tb testing.TB, outbound *httpcall.Outbound, options wasi.Options) *guest {
	tb.Helper()
	g := &guest{sys: wasitest.New(tb, options), log: &lines{}}
	outbound.Log = g.log.add
	g.Caller = wasitest.NewCaller(tb, imports(), func(ctx context.Context, r wazero.Runtime) error {
		return httpcall.Instantiate(ctx, r, g.sys, outbound)
	})
	return g
}

func imports() (list []wasitest.Import) {
	for _, name := range httpcall.Functions() {
		list = append(list, wasitest.Import{Module: httpcall.ModuleName, Name: name, Params: params[name]})
	}
	return list
}

func fn(name string) string { return httpcall.ModuleName + "." + name }

// Where the guest puts things, and lies outside its memory.
const (
	atStatus  = 0x10
	atHandle  = 0x18
	atWritten = 0x20
	atURL     = 0x1000
	atMethod  = 0x3000
	atHeader  = 0x4000
	atBody    = 0x8000
	atBuffer  = 0x10000
	outside   = wasitest.MemoryPages << 16
)

// request is one in parts.
type request struct{ url, method, header, body string }

// arguments puts the request into the memory.
func (g *guest) arguments(r request) []uint64 {
	if r.method == "" {
		r.method = "GET"
	}
	var args []uint64
	for _, part := range []struct {
		at   uint32
		text string
	}{{atURL, r.url}, {atMethod, r.method}, {atHeader, r.header}, {atBody, r.body}} {
		args = append(args, g.Put(part.at, []byte(part.text)), uint64(len(part.text)))
	}
	return append(args, atStatus, atHandle)
}

// ask makes a request that must be answered.
func (g *guest) ask(r request) (status uint16, handle uint64) {
	g.Expect(httpcall.Success, fn("req"), g.arguments(r)...)
	return uint16(g.U32(atStatus)), uint64(g.U32(atHandle))
}

// refused makes a request that must be answered with this error.
func (g *guest) refused(want httpcall.Error, r request) {
	g.Expect(want, fn("req"), g.arguments(r)...)
}

// body reads a body to its end, in pieces.
func (g *guest) body(handle uint64) string {
	var b strings.Builder
	for {
		g.Expect(httpcall.Success, fn("body_read"), handle, atBuffer, 1000, atWritten)
		n := g.U32(atWritten)
		if n == 0 {
			return b.String()
		}
		b.Write(g.Mem[atBuffer : atBuffer+n])
	}
}

// header reads all of a header.
func (g *guest) header(handle uint64) string {
	g.Expect(httpcall.Success, fn("headers_get_all"), handle, atBuffer, 1<<16, atWritten)
	return string(g.Mem[atBuffer : atBuffer+g.U32(atWritten)])
}

// originOf is a server's.
func originOf(t testing.TB, server *httptest.Server) spec.Origin {
	t.Helper()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	var port uint16
	if _, err := fmt.Sscan(u.Port(), &port); err != nil {
		t.Fatal(err)
	}
	return spec.Origin{Scheme: u.Scheme, Host: u.Hostname(), Port: port}
}

// serve starts a server for the test.
func serve(t testing.TB, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}
