// SPDX-License-Identifier: Apache-2.0

package httpcall_test

import (
	"encoding/binary"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// FuzzRequest makes requests in all forms, to a server that sees that they are well-formed, and to
// nobody else.
func FuzzRequest(f *testing.F) {
	server := serve(f, mirror)
	o := spec.Outbound{Allowed: []spec.Origin{originOf(f, server)}, Concurrency: 1, Timeout: time.Minute}
	f.Add("", "GET", "Accept: */*\n", "")
	f.Add("/a?b=c", "POST", "Host: other\nContent-Type:text/plain\r\n", "body")
	f.Add("@example.com/", "HEAD", "a:b\n\n", "")
	f.Add("/ HTTP/1.0\r\nx: y", "GET /", "a:b\r\rc", "GET / HTTP/1.1\r\n\r\n")
	f.Fuzz(func(t *testing.T, rest, method, header, body string) {
		if len(rest) > 1<<12 || len(method) > 1<<10 || len(header) > 1<<13 || len(body) > 1<<14 {
			return
		}
		g := newGuest(t, o, wasi.Options{})
		errno, err := g.Call(fn("req"), g.arguments(request{server.URL + rest, method, header, body})...)
		if err != nil {
			t.Fatal(err)
		}
		if errno != httpcall.Success {
			return
		}
		if status := uint16(g.U32(atStatus)); status == http.StatusBadRequest {
			t.Errorf("the server does not understand %q %q %q", rest, method, header)
		}
		g.body(0)
	})
}

// FuzzCalls calls the functions with any arguments over any memory, beside a response that is open.
//
// calls is a list of 41 bytes each: which function, then ten arguments of 32 bits.
func FuzzCalls(f *testing.F) {
	server := serve(f, mirror)
	o := spec.Outbound{Allowed: []spec.Origin{originOf(f, server)}, Concurrency: 2, Timeout: time.Minute}
	names := slices.Sorted(maps.Keys(params))
	for i := range names {
		call := []byte{byte(i)}
		for _, a := range []uint32{0, 16, 64, 8, 128, 16, 0, 0, 32, 40} {
			call = binary.LittleEndian.AppendUint32(call, a)
		}
		f.Add(call, []byte(server.URL))
	}
	f.Fuzz(func(t *testing.T, calls, memory []byte) {
		g := newGuest(t, o, wasi.Options{})
		g.ask(request{url: server.URL})
		copy(g.Mem, memory)
		for ; len(calls) >= 41; calls = calls[41:] {
			name := names[int(calls[0])%len(names)]
			args := make([]uint64, len(params[name]))
			for i := range args {
				args[i] = uint64(binary.LittleEndian.Uint32(calls[1+4*i:]))
			}
			if _, err := g.Call(fn(name), args...); err != nil {
				t.Fatal(err)
			}
		}
	})
}
