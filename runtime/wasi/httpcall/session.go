// SPDX-License-Identifier: Apache-2.0

package httpcall

import (
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/wazelet/wazelet/runtime/wasi/guest"
)

// session holds the responses of one guest, by their handles. Only the guest's thread uses it.
type session struct {
	outbound *Outbound
	open     []*response // nil for a handle that is free
}

// response is one that the guest holds.
type response struct {
	request *Request
	*Response
	end error // of the body, once it was met
}

// sessionOf is the calling guest's.
func (o *Outbound) sessionOf(c guest.Call) *session {
	return c.Sys.Keep(o, func() io.Closer { return &session{outbound: o} }).(*session)
}

// add gives a response the lowest handle that is free, beginning with 0.
func (s *session) add(r *response) uint32 {
	i := slices.Index(s.open, nil)
	if i < 0 {
		i = len(s.open)
		s.open = append(s.open, nil)
	}
	s.open[i] = r
	return uint32(i)
}

// get returns nil for a handle that is none.
func (s *session) get(handle uint64) *response {
	if h := guest.U32(handle); uint64(h) < uint64(len(s.open)) {
		return s.open[h]
	}
	return nil
}

// close ends a response, if there is one.
func (s *session) close(handle uint64) {
	r := s.get(handle)
	if r == nil {
		return
	}
	s.open[guest.U32(handle)] = nil
	_ = r.Body.Close() // what is left of it nobody wants
	s.outbound.release()
}

// Close ends all responses; the guest is gone.
func (s *session) Close() error {
	for h := range s.open {
		s.close(uint64(h))
	}
	return nil
}

// field is the first value of a field.
func (r *response) field(name string) (string, bool) {
	i := slices.IndexFunc(r.Header, func(f Field) bool { return strings.EqualFold(f.Name, name) })
	if i < 0 {
		return "", false
	}
	return r.Header[i].Value, true
}

// lines are all fields, "name:value\n" each. It fails for a value that is no UTF-8.
func (r *response) lines() (string, bool) {
	var b strings.Builder
	for _, f := range r.Header {
		if !utf8.ValidString(f.Value) {
			return "", false
		}
		b.WriteString(f.Name + ":" + f.Value + "\n")
	}
	return b.String(), true
}

// read reads some of the body; 0 is its end. An error comes after what was read before it, and stays.
func (r *response) read(p []byte) (n int, err error) {
	for len(p) > 0 && n == 0 && r.end == nil {
		n, r.end = r.Body.Read(p)
	}
	if n > 0 || errors.Is(r.end, io.EOF) {
		return n, nil
	}
	return 0, r.end
}
