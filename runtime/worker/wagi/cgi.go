// SPDX-License-Identifier: Apache-2.0

package wagi

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// response is the head of what a guest answers (RFC 3875, section 6).
type response struct {
	status int
	reason string
	fields []field // without those that are the connection's
	length int64   // of the body, as the guest says; -1 when it does not
}

var errHeadTooLarge = fmt.Errorf("its header is larger than %d KiB", maxResponseHead>>10)

// headEnd finds the end of a header, its empty line included, looking from
// offset from on. It returns 0 when there is none yet.
func headEnd(p []byte, from int) int {
	for i := max(from, 0); i < len(p); i++ {
		if p[i] != '\n' {
			continue
		}
		// Empty is what starts with a line's end, or follows one.
		start := i
		if start > 0 && p[start-1] == '\r' {
			start--
		}
		if start == 0 || p[start-1] == '\n' {
			return i + 1
		}
	}
	return 0
}

// parseResponse reads a guest's header. Its lines end in LF or CR LF. At least
// one of Content-Type, Status and Location must be there: otherwise a program
// that knows nothing of CGI would answer with whatever it prints.
func parseResponse(head []byte) (*response, error) {
	r := &response{length: -1}
	cgi := false
	for line := range bytes.Lines(head) {
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if len(line) == 0 {
			break
		}
		name, value, ok := strings.Cut(string(line), ":")
		value = strings.Trim(value, " \t")
		if !ok || !isToken(name) || !isValue(value) {
			return nil, fmt.Errorf("its header has the line %.80q, which is no field", line)
		}
		if len(r.fields) == maxFields {
			return nil, fmt.Errorf("its header has more than %d fields", maxFields)
		}
		said, err := r.take(name, value)
		if err != nil {
			return nil, err
		}
		cgi = cgi || said
	}
	if !cgi {
		return nil, errors.New("its header has none of Content-Type, Status and Location")
	}
	if r.status == 0 {
		r.status = 200
		if r.has("location") {
			r.status, r.reason = 302, "Found"
		}
	}
	return r, nil
}

// take takes one field, and reports whether it is one of those CGI asks for.
func (r *response) take(name, value string) (cgi bool, err error) {
	switch strings.ToLower(name) {
	case "status":
		if r.status != 0 {
			return false, errors.New("its header has two status fields")
		}
		r.status, r.reason, err = parseStatus(value)
		return true, err
	case "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade":
		return false, nil
	case "content-length":
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil || r.length >= 0 {
			return false, fmt.Errorf("its header has the Content-Length %.40q", value)
		}
		r.length = int64(n)
		return false, nil
	case "content-type", "location":
		cgi = true
	}
	r.fields = append(r.fields, field{name, value})
	return cgi, nil
}

// parseStatus reads "404 Not Found".
func parseStatus(value string) (code int, reason string, err error) {
	number, reason, _ := strings.Cut(value, " ")
	code, err = strconv.Atoi(number)
	if err != nil || len(number) != 3 || code < 200 || code > 599 {
		return 0, "", fmt.Errorf("its header has the status %.40q: want 200 to 599", value)
	}
	return code, strings.Trim(reason, " \t"), nil
}

func (r *response) has(name string) bool {
	for _, f := range r.fields {
		if strings.EqualFold(f.name, name) {
			return true
		}
	}
	return false
}

// bodiless says whether a response of that status has no body.
func bodiless(status int) bool { return status == 204 || status == 304 }
