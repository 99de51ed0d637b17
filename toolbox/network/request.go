// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bufio"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Bounds of a request and of the head of an answer.
const (
	maxTarget  = 8 << 10
	maxHeader  = 64 << 10
	maxFields  = 100
	maxDiscard = 64 << 10
)

// request is what a client asks for.
type request struct {
	method, target, path string
	query                string // with its question mark
	keep                 bool   // the client may ask again
	old                  bool   // it speaks HTTP/1.0
}

// badRequest is a request that is answered with an error.
type badRequest struct {
	status int
	text   string
}

func (e *badRequest) Error() string { return e.text }

// errClosed says that the client has gone.
var errClosed = errors.New("closed")

// readRequest reads a request and what it brings along, all of it bounded.
func readRequest(in *bufio.Reader) (r request, err error) {
	line, err := headLine(in, maxTarget+64)
	for n := 0; err == nil && line == "" && n < 4; n++ { // empty lines before a request are allowed
		line, err = headLine(in, maxTarget+64)
	}
	if err != nil {
		if errors.Is(err, errLong) {
			return r, &badRequest{414, "the address is too long"}
		}
		return r, errClosed
	}
	if err := r.first(line); err != nil {
		return r, err
	}
	fields, err := readFields(in)
	if err != nil {
		return r, err
	}
	return r, r.body(in, fields)
}

// first reads the request line.
func (r *request) first(line string) error {
	parts := strings.Split(line, " ")
	if len(parts) != 3 || !isToken(parts[0]) || !isVisible(parts[1]) {
		return &badRequest{400, "not a request of HTTP/1.1"}
	}
	r.method, r.target = parts[0], parts[1]
	switch parts[2] {
	case "HTTP/1.1":
		r.keep = true
	case "HTTP/1.0":
		r.old = true
	default:
		return &badRequest{505, "HTTP/1.1 is spoken here"}
	}
	target := r.target
	if rest, ok := strings.CutPrefix(target, "http://"); ok { // as to a proxy
		_, target, _ = strings.Cut(rest, "/")
		target = "/" + target
	}
	if i := strings.IndexByte(target, '?'); i >= 0 {
		target, r.query = target[:i], target[i:]
	}
	decoded, ok := unescapePath(target)
	if !ok || !strings.HasPrefix(decoded, "/") || strings.IndexByte(decoded, 0) >= 0 {
		return &badRequest{400, "not a path"}
	}
	r.path = decoded
	return nil
}

// body takes what a request brings along out of the way. Only little is: nothing here wants it.
func (r *request) body(in *bufio.Reader, fields map[string]string) error {
	if _, named := fields["host"]; !named && !r.old {
		return &badRequest{400, "the Host field is missing"}
	}
	connection := strings.ToLower(fields["connection"])
	if r.old {
		r.keep = connection == "keep-alive"
	}
	if strings.Contains(connection, "close") {
		r.keep = false
	}
	if _, chunked := fields["transfer-encoding"]; chunked {
		return &badRequest{501, "transfer encodings are not taken here"}
	}
	text, given := fields["content-length"]
	if !given {
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return &badRequest{400, "Content-Length: not a number"}
	}
	if n > maxDiscard {
		return &badRequest{413, "that is more than is taken here"}
	}
	if _, err := in.Discard(int(n)); err != nil {
		return errClosed
	}
	return nil
}

var errLong = errors.New("a line is too long")

// headLine reads a line that ends in \r\n or \n, of at most limit bytes.
func headLine(in *bufio.Reader, limit int) (string, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > limit {
			return "", errLong
		}
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r"), nil
}

// readFields reads header fields up to the empty line. Names are lower case; of one that comes twice
// the values are joined, and a length must not.
func readFields(in *bufio.Reader) (map[string]string, error) {
	fields, left := map[string]string{}, maxHeader
	for n := 0; ; n++ {
		line, err := headLine(in, left)
		switch {
		case errors.Is(err, errLong) || n > maxFields:
			return nil, &badRequest{431, "the header is too long"}
		case err != nil:
			return nil, errClosed
		case line == "":
			return fields, nil
		}
		left -= len(line)
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) {
			return nil, &badRequest{400, "not a header field"}
		}
		name, value = strings.ToLower(name), strings.Trim(value, " \t")
		if before, twice := fields[name]; twice {
			if name == "content-length" {
				return nil, &badRequest{400, "two lengths"}
			}
			value = before + ", " + value
		}
		fields[name] = value
	}
}

// isToken says whether a text is a token of HTTP.
func isToken(text string) bool {
	for _, c := range []byte(text) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return text != ""
}

// isVisible says whether a text has neither spaces nor control characters.
func isVisible(text string) bool {
	for _, c := range []byte(text) {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return text != ""
}

// escapePath is the path as it is written in an address.
func escapePath(path string) string {
	var b strings.Builder
	for _, c := range []byte(path) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"#%<>?[\]^{|}`+"`", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// unescapePath decodes %XX.
func unescapePath(text string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b.WriteByte(text[i])
			continue
		}
		if i+2 >= len(text) {
			return "", false
		}
		n, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(n))
		i += 2
	}
	return b.String(), true
}
