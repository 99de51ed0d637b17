// SPDX-License-Identifier: Apache-2.0

package httpcall

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/tetratelabs/wazero"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/guest"
)

// ModuleName is the name guests import the functions under.
const ModuleName = "wasi_experimental_http"

// Functions are the names of the functions, sorted.
func Functions() []string {
	return []string{"body_read", "close", "header_get", "headers_get_all", "req"}
}

// Imported says whether a module imports any of it. imported are the module's imported functions.
func Imported[F guest.Imported](imported []F) bool {
	return slices.ContainsFunc(imported, func(def F) bool {
		module, _, _ := def.Import()
		return module == ModuleName
	})
}

// Instantiate registers the host module with the runtime, for the guest of s, or without s for whoever
// calls (see package guest).
func Instantiate(ctx context.Context, r wazero.Runtime, s *wasi.System, o *Outbound) error {
	return guest.Export(ctx, r, ModuleName, s, []guest.Func{
		fn("req", "iiiiiiiiii", o.req),
		fn("header_get", "iiiiii", o.headerGet),
		fn("headers_get_all", "iiii", o.headersGetAll),
		fn("body_read", "iiii", o.bodyRead),
		fn("close", "i", o.close),
	})
}

func fn(name, params string, call func(guest.Call, []uint64) Error) guest.Func {
	return guest.Func{Name: name, Params: guest.Types(params), Counter: "http_" + name, Call: func(c guest.Call, a []uint64) Error {
		if !c.HasMemory() && name != "close" {
			return MemoryNotFound
		}
		return call(c, a)
	}}
}

// A request leaves more garbage behind than other host calls: as much as some of them, and its body.
const (
	requestWeight = 8
	bodyWeight    = 64 << 10 // bytes that count as a call
)

func (o *Outbound) req(c guest.Call, a []uint64) Error {
	status, e := room(c, a[8], 2)
	if e != Success {
		return e
	}
	handle, e := room(c, a[9], 4)
	if e != Success {
		return e
	}
	u, e := readURL(c, a[0], a[1])
	if e != Success {
		return e
	}
	if !o.allows(u) {
		o.tell("request", u, "its destination is not allowed")
		return DestinationNotAllowed
	}
	r, e := o.readRequest(c, u, a[2:8])
	if e != Success {
		return e
	}
	if !o.acquire() {
		return TooManySessions
	}
	answer, e := o.do(c, r)
	if e != Success {
		o.release()
		return e
	}
	binary.LittleEndian.PutUint16(status, uint16(answer.Status))
	binary.LittleEndian.PutUint32(handle, o.sessionOf(c).add(&response{request: r, Response: answer}))
	return Success
}

// do makes the request while the guest waits.
func (o *Outbound) do(c guest.Call, r *Request) (*Response, Error) {
	for range requestWeight + len(r.Body)/bodyWeight {
		c.Sys.Collect()
	}
	var answer *Response
	var err error
	if c.Sys.Await(func(ctx context.Context) { answer, err = o.Client.Do(ctx, r, o.allows) }) != wasi.ESUCCESS {
		if err == nil && answer != nil {
			_ = answer.Body.Close()
		}
		return nil, RuntimeError // a guest that is to end does not see it
	}
	r.Body = nil
	return answer, o.classify(r, err)
}

// room is the place of a result.
func room(c guest.Call, ptr uint64, n uint32) ([]byte, Error) {
	b, errno := c.Bytes(guest.U32(ptr), n)
	if errno != wasi.ESUCCESS {
		return nil, MemoryAccessError
	}
	return b, Success
}

func (o *Outbound) headerGet(c guest.Call, a []uint64) Error {
	r := o.sessionOf(c).get(a[0])
	if r == nil {
		return InvalidHandle
	}
	name, e := readString(c, a[1], a[2])
	if e != Success {
		return e
	}
	value, found := r.field(name)
	if !found {
		return HeaderNotFound
	}
	return put(c, a[3:], value)
}

func (o *Outbound) headersGetAll(c guest.Call, a []uint64) Error {
	r := o.sessionOf(c).get(a[0])
	if r == nil {
		return InvalidHandle
	}
	lines, ok := r.lines()
	if !ok {
		return RuntimeError
	}
	return put(c, a[1:], lines)
}

// put stores a text into a buffer, and its length: a is {buffer, length, place for what was written}.
func put(c guest.Call, a []uint64, text string) Error {
	if uint64(len(text)) > uint64(guest.U32(a[1])) {
		return BufferTooSmall
	}
	written, e := room(c, a[2], 4)
	if e != Success {
		return e
	}
	b, e := room(c, a[0], uint32(len(text)))
	if e != Success {
		return e
	}
	copy(b, text)
	binary.LittleEndian.PutUint32(written, uint32(len(text)))
	return Success
}

func (o *Outbound) bodyRead(c guest.Call, a []uint64) Error {
	r := o.sessionOf(c).get(a[0])
	if r == nil {
		return InvalidHandle
	}
	b, e := room(c, a[1], guest.U32(a[2]))
	if e != Success {
		return e
	}
	written, e := room(c, a[3], 4)
	if e != Success {
		return e
	}
	c.Sys.Collect()
	var n int
	var err error
	if c.Sys.Await(func(ctx context.Context) {
		defer context.AfterFunc(ctx, func() { _ = r.Body.Close() })()
		n, err = r.read(b)
	}) != wasi.ESUCCESS {
		return RuntimeError // a guest that is to end does not see it
	}
	if err == nil {
		binary.LittleEndian.PutUint32(written, uint32(n))
	}
	return o.classify(r.request, err)
}

func (o *Outbound) close(c guest.Call, a []uint64) Error {
	o.sessionOf(c).close(a[0])
	return Success
}
