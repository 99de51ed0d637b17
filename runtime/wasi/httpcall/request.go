// SPDX-License-Identifier: Apache-2.0

package httpcall

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/wazelet/wazelet/runtime/wasi/guest"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// Bounds of a request.
const (
	maxURL    = 64 << 10
	maxMethod = 64
	maxHeader = 64 << 10
	maxFields = 256
	maxBody   = 32 << 20 // it is copied: the guest's memory is its own again when req returns
)

// readURL reads the URL and says where it leads.
func readURL(c guest.Call, ptr, n uint64) (*url.URL, Error) {
	raw, e := readString(c, ptr, n)
	if e != Success {
		return nil, e
	}
	u, ok := parseURL(raw)
	if !ok {
		return nil, InvalidURL
	}
	return u, Success
}

// readRequest reads what follows the URL in a call of req.
func (o *Outbound) readRequest(c guest.Call, u *url.URL, a []uint64) (*Request, Error) {
	r := &Request{URL: u}
	var e Error
	if r.Method, e = readString(c, a[0], a[1]); e != Success {
		return nil, e
	}
	if !isToken(r.Method) || len(r.Method) > maxMethod || r.Method == "CONNECT" {
		return nil, InvalidMethod // a tunnel would lead anywhere
	}
	body, e := readBytes(c, a[4], a[5])
	if e != Success {
		return nil, e
	}
	header, e := readString(c, a[2], a[3])
	if e != Success {
		return nil, e
	}
	var ok bool
	if r.Header, ok = parseHeader(header); !ok {
		return nil, InvalidEncoding
	}
	if len(body) > maxBody {
		o.tell(r.Method, u, fmt.Sprintf("a body of %d bytes, more than %d", len(body), maxBody))
		return nil, RuntimeError
	}
	r.Body = slices.Clone(body)
	return r, Success
}

// readBytes is a piece of the guest's memory.
func readBytes(c guest.Call, ptr, n uint64) ([]byte, Error) {
	b, errno := c.Bytes(guest.U32(ptr), guest.U32(n))
	if errno != Success {
		return nil, BufferTooSmall
	}
	return b, Success
}

func readString(c guest.Call, ptr, n uint64) (string, Error) {
	b, e := readBytes(c, ptr, n)
	if e != Success {
		return "", e
	}
	if len(b) > max(maxURL, maxHeader) {
		return "", BufferTooSmall
	}
	if !utf8.Valid(b) {
		return "", UTF8Error
	}
	return string(b), Success
}

// parseURL reads an absolute URL of http or https. Its host is a name in ASCII or an IP address: what
// is compared with the origins that are allowed is what is connected to.
func parseURL(raw string) (*url.URL, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" {
		return nil, false
	}
	if _, ok := originOf(u); !ok {
		return nil, false
	}
	u.Fragment, u.RawFragment = "", ""
	u.RawQuery = escapeQuery(u.RawQuery)
	return u, true
}

// originOf is where a URL leads, complete; false if it is not an absolute one of http or https.
func originOf(u *url.URL) (o spec.Origin, ok bool) {
	o.Scheme, o.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Hostname())
	switch o.Scheme {
	case "http":
		o.Port = 80
	case "https":
		o.Port = 443
	default:
		return o, false
	}
	if port := u.Port(); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return o, false
		}
		o.Port = uint16(n)
	}
	if addr, err := netip.ParseAddr(o.Host); err == nil {
		o.Host = addr.String()
		return o, addr.Zone() == ""
	}
	return o, isName(o.Host)
}

// isName says whether a host is one that DNS could know.
func isName(host string) bool {
	const mostName = 253
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789-_."
	return host != "" && len(host) <= mostName && strings.Trim(host, letters) == ""
}

// escapeQuery escapes what may not stand in a request's line, and leaves the rest as it is.
func escapeQuery(query string) string {
	var b strings.Builder
	for _, c := range []byte(query) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>' {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// parseHeader reads a header's lines. Of several fields of one name the last stands, as in the
// interface's first host; fields of the connection are left out, which is the host's.
func parseHeader(raw string) (fields []Field, ok bool) {
	for line := range strings.Lines(raw) {
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		name, value, found := strings.Cut(line, ":")
		if !found || !isToken(name) || !isValue(value) {
			return nil, false
		}
		if slices.Contains(hopByHop, strings.ToLower(name)) {
			continue
		}
		f := Field{name, strings.Trim(value, " \t")}
		if i := slices.IndexFunc(fields, func(g Field) bool { return strings.EqualFold(g.Name, name) }); i >= 0 {
			fields[i] = f
			continue
		}
		if fields = append(fields, f); len(fields) > maxFields {
			return nil, false
		}
	}
	return fields, true
}

// hopByHop are the fields of a connection, and of a body's length, which the host knows.
var hopByHop = []string{
	"connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
}

// isToken says whether s is a token of RFC 9110.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// isValue says whether s may be a field's value: visible ASCII, spaces and tabs.
func isValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f })
}
