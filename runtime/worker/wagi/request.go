// SPDX-License-Identifier: Apache-2.0

package wagi

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// request is what a client asks for, checked.
type request struct {
	method  string
	path    string // decoded
	rawPath string
	query   string
	host    string // the Host field, or an absolute target's
	old     bool   // HTTP/1.0
	fields  []field
	length  int64 // of the body; -1 is chunks
	close   bool  // the connection ends with this request
	expect  bool  // the client waits for 100 Continue
}

// field is one header field.
type field struct{ name, value string }

// refusal is an answer that needs no guest.
type refusal struct {
	status int
	why    string
}

func (r *refusal) Error() string { return r.why }

func refuse(status int, why string) error { return &refusal{status, why} }

func badRequest(why string) error { return refuse(400, why) }

// readRequest reads a request's line and fields. Its errors are a *refusal, or
// of the connection.
func readRequest(in *bufio.Reader) (*request, error) {
	left := maxHead
	line, err := readLine(in, &left)
	if err != nil {
		return nil, err
	}
	q := &request{}
	if err := q.readStart(line); err != nil {
		return nil, err
	}
	for {
		line, err := readLine(in, &left)
		if err != nil {
			return nil, err
		}
		if line == "" {
			return q, q.interpret()
		}
		if len(q.fields) == maxFields {
			return nil, refuse(431, "too many header fields")
		}
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !ok || !isToken(name) || !isValue(value) {
			return nil, badRequest("malformed header field")
		}
		q.fields = append(q.fields, field{name, value})
	}
}

// readLine reads a line that ends in CR LF, and nothing else does.
func readLine(in *bufio.Reader, left *int) (string, error) {
	raw, err := in.ReadSlice('\n')
	*left -= len(raw)
	if errors.Is(err, bufio.ErrBufferFull) || *left < 0 {
		return "", refuse(431, "header too large")
	}
	if err != nil {
		return "", err
	}
	line, ok := bytes.CutSuffix(raw, []byte("\r\n"))
	if !ok {
		return "", badRequest("a line ends without carriage return")
	}
	return string(line), nil
}

// readStart takes the request line apart (RFC 9112, section 3).
func (q *request) readStart(line string) error {
	method, rest, _ := strings.Cut(line, " ")
	target, version, ok := strings.Cut(rest, " ")
	if !ok || !isToken(method) {
		return badRequest("malformed request line")
	}
	switch version {
	case "HTTP/1.1":
	case "HTTP/1.0":
		q.old = true
	default:
		if strings.HasPrefix(version, "HTTP/") {
			return refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
		}
		return badRequest("malformed request line")
	}
	if method == "CONNECT" {
		return refuse(501, "CONNECT is not offered")
	}
	q.method = method
	if rest, absolute := cutScheme(target); absolute {
		end := strings.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		if q.host, target = rest[:end], rest[end:]; q.host == "" {
			return badRequest("the target names no host")
		}
		if !strings.HasPrefix(target, "/") {
			target = "/" + target
		}
	}
	q.rawPath, q.query, _ = strings.Cut(target, "?")
	if q.rawPath == "*" && method == "OPTIONS" {
		q.path = "*"
		return nil
	}
	q.path, ok = unescape(q.rawPath)
	if !ok || !strings.HasPrefix(target, "/") || !isTarget(target) {
		return badRequest("malformed target")
	}
	return nil
}

func cutScheme(target string) (string, bool) {
	const scheme = "http://"
	if len(target) < len(scheme) || !strings.EqualFold(target[:len(scheme)], scheme) {
		return target, false
	}
	return target[len(scheme):], true
}

// interpret reads what the fields say of the message itself. Whatever two
// parties could read in two ways is refused (RFC 9112, section 6.3).
func (q *request) interpret() error {
	q.close = q.old || hasWord(q.joined("connection"), "close")
	hosts := q.values("host")
	if len(hosts) > 1 || len(hosts) == 0 && !q.old {
		return badRequest("want one Host field")
	}
	if len(hosts) == 1 && q.host == "" {
		q.host = hosts[0]
	}
	if !isHost(q.host) {
		return badRequest("malformed host")
	}
	if expect := q.joined("expect"); expect != "" {
		if !strings.EqualFold(expect, "100-continue") {
			return refuse(417, "the only expectation is 100-continue")
		}
		q.expect = !q.old
	}
	return q.measure()
}

// measure finds out where the body ends.
func (q *request) measure() error {
	lengths, codings := q.values("content-length"), q.values("transfer-encoding")
	switch {
	case len(lengths)+len(codings) == 0:
		return nil
	case len(lengths)+len(codings) > 1 || len(codings) > 0 && q.old:
		return badRequest("the body's length is told in more than one way")
	case len(codings) == 1:
		q.length = -1
		if !strings.EqualFold(codings[0], "chunked") {
			return refuse(501, "the only transfer coding is chunked")
		}
		return nil
	}
	n, err := strconv.ParseUint(lengths[0], 10, 63) // takes no sign
	if err != nil {
		return badRequest("malformed Content-Length")
	}
	q.length = int64(n)
	return nil
}

// hasWord finds a word in a comma-separated list.
func hasWord(list, word string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.Trim(item, " \t"), word) {
			return true
		}
	}
	return false
}

// unescape decodes percent-encoding. NUL is refused: it would end a variable.
func unescape(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil || n == 0 || s[i+1] == '+' {
			return "", false
		}
		b.WriteByte(byte(n))
		i += 2
	}
	return b.String(), true
}

// isToken says whether s is a token (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// isValue says whether s can be a field's value: no control characters but tab.
func isValue(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// isTarget says whether s is of printable ASCII.
func isTarget(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// isHost says whether s could be HOST or HOST:PORT; an old client sends none.
func isHost(s string) bool {
	return len(s) <= 300 && isTarget(s) && !strings.ContainsAny(s, `/\?#@"<>^{}|`+"`")
}

// body is the rest of the request, to be read before the next one.
func (q *request) body(in *bufio.Reader) io.Reader {
	if q.length >= 0 {
		return &sized{in: in, left: q.length}
	}
	return &chunks{in: in}
}

// summary names the request in the log; the client's words are quoted.
func (q *request) summary(remote netip.AddrPort) string {
	return fmt.Sprintf("%s %.200q from %s", q.method, q.rawPath, remote)
}
