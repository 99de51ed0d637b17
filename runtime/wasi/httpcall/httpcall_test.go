// SPDX-License-Identifier: Apache-2.0

package httpcall_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
)

// mirror answers with the request.
func mirror(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Own", "first")
	w.Header().Add("X-Own", "second")
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, "%s %s %s\n", r.Method, r.RequestURI, r.Host)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(w, "%s=%s\n", name, strings.Join(r.Header[name], "|"))
	}
	fmt.Fprintf(w, "%d:%s", r.ContentLength, body)
}

func TestRequestsAreAnswered(t *testing.T) {
	server := serve(t, mirror)
	host := strings.TrimPrefix(server.URL, "http://")
	g := newGuest(t, anywhere, wasi.Options{})
	for name, c := range map[string]struct {
		request
		want string
	}{
		"a plain one": {request{url: "/a?b=c#d"}, "GET /a?b=c HOST\nAccept=*/*\n0:"},
		"with a body": {
			request{"/", "POST", "Content-Type:text/plain\nabc: def\n", "hello"},
			"POST / HOST\nAbc=def\nAccept=*/*\nContent-Length=5\nContent-Type=text/plain\n5:hello",
		},
		"the last of two fields, and CR LF": {request{header: "A: 1\r\na: 2\r\nAccept: x\r\n"}, "GET / HOST\nA=2\nAccept=x\n0:"},
		"what is the connection's":          {request{header: "Connection: close\nTransfer-Encoding: chunked\nContent-Length: 7"}, "GET / HOST\nAccept=*/*\n0:"},
		"another host":                      {request{header: "Host: other.example"}, "GET / other.example\nAccept=*/*\n0:"},
		"a method nobody knows":             {request{method: "brew"}, "brew / HOST\nAccept=*/*\n0:"},
		"a query that needs escapes":        {request{url: "/?a b\"ü"}, "GET /?a%20b%22%C3%BC HOST\nAccept=*/*\n0:"},
	} {
		c.url = server.URL + c.url
		status, handle := g.ask(c.request)
		if want := strings.ReplaceAll(c.want, "HOST", host); status != http.StatusAccepted || g.body(handle) != want {
			t.Errorf("%s: %d %q, want %q", name, status, g.body(handle), want)
		}
		g.Expect(httpcall.Success, fn("close"), handle)
	}
	if g.log.String() != "" {
		t.Errorf("the log has %q", g.log)
	}
}

func TestResponsesAreRead(t *testing.T) {
	server := serve(t, mirror)
	g := newGuest(t, anywhere, wasi.Options{})
	_, first := g.ask(request{url: server.URL})
	_, second := g.ask(request{url: server.URL, method: "HEAD"})
	if first != 0 || second != 1 {
		t.Errorf("handles %d and %d", first, second)
	}
	if got := g.body(second); got != "" {
		t.Errorf("HEAD has a body %q", got)
	}
	if got := g.header(first); !strings.Contains("\n"+got, "\nx-own:first\nx-own:second\n") || strings.Contains(got, "\n\n") {
		t.Errorf("the header is %q", got)
	}
	get := func(want httpcall.Error, name string, room uint64) string {
		g.Expect(want, fn("header_get"), first, g.Put(atURL, []byte(name)), uint64(len(name)), atBuffer, room, atWritten)
		return string(g.Mem[atBuffer : atBuffer+g.U32(atWritten)])
	}
	if got := get(httpcall.Success, "X-oWn", 5); got != "first" {
		t.Errorf("a field is %q", got)
	}
	get(httpcall.BufferTooSmall, "x-own", 4)
	get(httpcall.HeaderNotFound, "x-none", 5)
	get(httpcall.UTF8Error, "\xff", 5)
	g.Expect(httpcall.BufferTooSmall, fn("headers_get_all"), first, atBuffer, 10, atWritten)

	g.Expect(httpcall.Success, fn("close"), first)
	g.Expect(httpcall.Success, fn("close"), first)
	g.Expect(httpcall.Success, fn("close"), 1<<31)
	for _, handle := range []uint64{first, 2, 1<<32 - 1} {
		g.Expect(httpcall.InvalidHandle, fn("body_read"), handle, atBuffer, 1, atWritten)
		g.Expect(httpcall.InvalidHandle, fn("headers_get_all"), handle, atBuffer, 1, atWritten)
		g.Expect(httpcall.InvalidHandle, fn("header_get"), handle, atURL, 1, atBuffer, 1, atWritten)
	}
	if _, again := g.ask(request{url: server.URL}); again != first {
		t.Errorf("the next handle is %d", again)
	}
}

// TestBodiesAreOfAnyLength, and are not gathered: the second half is sent when the first was read.
func TestBodiesAreOfAnyLength(t *testing.T) {
	const half = 4 << 20
	read := make(chan struct{})
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.CopyN(w, endless{}, half)
		_ = http.NewResponseController(w).Flush()
		<-read
		_, _ = io.CopyN(w, endless{}, half)
	})
	g := newGuest(t, anywhere, wasi.Options{})
	_, h := g.ask(request{url: server.URL})
	total := 0
	for n := 1; n > 0; total += n {
		g.Expect(httpcall.Success, fn("body_read"), h, atBuffer, 1<<16, atWritten)
		if n = int(g.U32(atWritten)); total < half && total+n >= half {
			close(read)
		}
	}
	if total != 2*half {
		t.Errorf("%d bytes, not %d", total, 2*half)
	}
}

// endless is a reader without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestRequestsThatCannotBe(t *testing.T) {
	server := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the server was asked") })
	g := newGuest(t, anywhere, wasi.Options{})
	long := strings.Repeat("x", 70<<10)
	for name, c := range map[string]struct {
		request
		want httpcall.Error
	}{
		"no URL":                {request{}, httpcall.InvalidURL},
		"no scheme":             {request{url: "example.com"}, httpcall.InvalidURL},
		"another scheme":        {request{url: "ftp://example.com"}, httpcall.InvalidURL},
		"no host":               {request{url: "http:///"}, httpcall.InvalidURL},
		"an opaque URL":         {request{url: "http:example.com"}, httpcall.InvalidURL},
		"no port":               {request{url: "http://example.com:0"}, httpcall.InvalidURL},
		"a large port":          {request{url: "http://example.com:65536"}, httpcall.InvalidURL},
		"a host beyond ASCII":   {request{url: "http://bücher.example"}, httpcall.InvalidURL},
		"a host with a zone":    {request{url: "http://[fe80::1%25eth0]/"}, httpcall.InvalidURL},
		"a line break":          {request{url: "http://example.com/\r\n"}, httpcall.InvalidURL},
		"a URL that is no text": {request{url: "http://\xff/"}, httpcall.UTF8Error},
		"no method":             {request{url: server.URL, method: " "}, httpcall.InvalidMethod},
		"a method of two words": {request{url: server.URL, method: "GET /x"}, httpcall.InvalidMethod},
		"a tunnel":              {request{url: server.URL, method: "CONNECT"}, httpcall.InvalidMethod},
		"a long method":         {request{url: server.URL, method: strings.Repeat("A", 65)}, httpcall.InvalidMethod},
		"a header without form": {request{url: server.URL, header: "abc\n"}, httpcall.InvalidEncoding},
		"an empty line":         {request{url: server.URL, header: "a:b\n\nc:d\n"}, httpcall.InvalidEncoding},
		"a name with a space":   {request{url: server.URL, header: "a b:c\n"}, httpcall.InvalidEncoding},
		"a value with a break":  {request{url: server.URL, header: "a:b\rc\n"}, httpcall.InvalidEncoding},
		"a value beyond ASCII":  {request{url: server.URL, header: "a:ü\n"}, httpcall.InvalidEncoding},
		"too many fields":       {request{url: server.URL, header: fields(257)}, httpcall.InvalidEncoding},
	} {
		errno, err := g.Call(fn("req"), g.arguments(c.request)...)
		if errno != c.want || err != nil {
			t.Errorf("%s: %d, %v, want %d", name, errno, err, c.want)
		}
	}
	args := g.arguments(request{url: server.URL})
	for at, want := range map[int]httpcall.Error{
		0: httpcall.BufferTooSmall, 2: httpcall.BufferTooSmall, 4: httpcall.BufferTooSmall, 6: httpcall.BufferTooSmall,
		8: httpcall.MemoryAccessError, 9: httpcall.MemoryAccessError,
	} {
		broken := slices.Clone(args)
		broken[at] = outside - 1
		if at < 8 {
			broken[at+1] = 2
		}
		g.Expect(want, fn("req"), broken...)
	}
	g.Expect(httpcall.BufferTooSmall, fn("req"), append([]uint64{g.Put(atBuffer-0x2000, []byte(long)), uint64(len(long))}, args[2:]...)...)
}

func fields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "f%d:\n", i)
	}
	return b.String()
}

func TestResultsNeedRoom(t *testing.T) {
	server := serve(t, mirror)
	g := newGuest(t, anywhere, wasi.Options{})
	_, h := g.ask(request{url: server.URL})
	name := g.Put(atURL, []byte("x-own"))
	g.Expect(httpcall.BufferTooSmall, fn("header_get"), h, outside, 1, atBuffer, 100, atWritten)
	g.Expect(httpcall.MemoryAccessError, fn("header_get"), h, name, 5, outside-1, 100, atWritten)
	g.Expect(httpcall.MemoryAccessError, fn("header_get"), h, name, 5, atBuffer, 100, outside-1)
	g.Expect(httpcall.MemoryAccessError, fn("headers_get_all"), h, outside-1, 1<<16, atWritten)
	g.Expect(httpcall.MemoryAccessError, fn("body_read"), h, outside-1, 2, atWritten)
	g.Expect(httpcall.MemoryAccessError, fn("body_read"), h, atBuffer, 2, outside-3)
	g.Expect(httpcall.Success, fn("body_read"), h, outside, 0, atWritten)
	if n := g.U32(atWritten); n != 0 {
		t.Errorf("nothing has %d bytes", n)
	}
	if got := g.body(h); !strings.HasPrefix(got, "GET / ") {
		t.Errorf("what failed took from the body: %q", got)
	}
}

func TestGuestsWithoutMemory(t *testing.T) {
	s := wasitest.New(t, wasi.Options{})
	c := wasitest.NewCallerWithoutMemory(t, imports(), func(ctx context.Context, r wazero.Runtime) error {
		return httpcall.Instantiate(ctx, r, s, &httpcall.Outbound{})
	})
	for name, spelled := range params {
		want := httpcall.MemoryNotFound
		if name == "close" {
			want = httpcall.Success
		}
		c.Expect(want, fn(name), make([]uint64, len(spelled))...)
	}
}

// TestGarbageIsLookedAfter: a request leaves more behind than a call that is counted once.
func TestGarbageIsLookedAfter(t *testing.T) {
	server := serve(t, mirror)
	collected := 0
	g := newGuest(t, anywhere, wasi.Options{Collect: func() { collected++ }})
	const body = 1 << 16
	args := g.arguments(request{url: server.URL, method: "PUT"})
	args[6], args[7] = 0, body
	g.Expect(httpcall.Success, fn("req"), args...)
	if collected < 9 {
		t.Errorf("%d chances to collect", collected)
	}
}
