// SPDX-License-Identifier: Apache-2.0

package wagi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// reasons are those of the server's own answers.
var reasons = map[int]string{
	400: "Bad Request", 417: "Expectation Failed", 431: "Request Header Fields Too Large",
	500: "Internal Server Error", 501: "Not Implemented", 503: "Service Unavailable",
	504: "Gateway Timeout", 505: "HTTP Version Not Supported",
}

// answer is the response to one request on its way to the client. As the
// guest's stdout it is a wasi.Sink, written to by the guest's thread alone.
type answer struct {
	out     *bufio.Writer
	head    bool // a HEAD request: no body whatever the fields say
	old     bool // HTTP/1.0: no chunks
	close   bool // the connection ends with this answer
	pending []byte
	begun   bool  // the head is on its way
	bare    bool  // there is no body to send
	chunked bool  // its length is told chunk by chunk
	left    int64 // what the guest still owes of its Content-Length; -1 without
	failed  error // of the guest's answer or of the connection; the first one stays
	stop    func()
}

var errTooLong = errors.New("its body is longer than its Content-Length")

// Write takes what the guest prints: the header until it is whole, then the
// body, which goes out at once. When nothing more can come of it the guest is
// told to stop.
func (a *answer) Write(p []byte) (int, error) {
	if a.failed != nil {
		return 0, a.failed
	}
	n, err := len(p), error(nil)
	if !a.begun {
		p, err = a.gather(p)
	}
	if err == nil && a.begun {
		if err = a.body(p); err == nil {
			err = a.out.Flush()
		}
	}
	if err != nil {
		a.failed = err
		a.stop()
		return 0, err
	}
	return n, nil
}

// gather adds to the header. Once it is whole it sends the head and returns
// what is the body's.
func (a *answer) gather(p []byte) ([]byte, error) {
	before := len(a.pending)
	a.pending = append(a.pending, p[:min(len(p), maxResponseHead-before)]...)
	end := headEnd(a.pending, before)
	if end == 0 {
		if before+len(p) > maxResponseHead {
			return nil, errHeadTooLarge
		}
		return nil, nil
	}
	r, err := parseResponse(a.pending[:end])
	if err != nil {
		return nil, err
	}
	a.pending = nil
	a.sendHead(r)
	return p[end-before:], nil
}

// sendHead sends the status line and the fields. Errors of a bufio.Writer
// stay until it is flushed.
func (a *answer) sendHead(r *response) {
	a.begun, a.left = true, r.length
	a.bare = a.head || bodiless(r.status)
	fmt.Fprintf(a.out, "HTTP/1.1 %d %s\r\n", r.status, r.reason)
	for _, f := range r.fields {
		fmt.Fprintf(a.out, "%s: %s\r\n", f.name, f.value)
	}
	if !r.has("date") {
		fmt.Fprintf(a.out, "Date: %s\r\n", httpDate(time.Now()))
	}
	switch {
	case bodiless(r.status):
		a.left = -1
	case r.length >= 0:
		fmt.Fprintf(a.out, "Content-Length: %d\r\n", r.length)
	case a.old:
		a.close = true // the body ends where the connection does
	default:
		a.chunked = true
		fmt.Fprint(a.out, "Transfer-Encoding: chunked\r\n")
	}
	if a.close {
		fmt.Fprint(a.out, "Connection: close\r\n")
	}
	fmt.Fprint(a.out, "\r\n")
}

// body sends a piece of the body.
func (a *answer) body(p []byte) error {
	if a.bare || len(p) == 0 {
		return nil
	}
	if a.left >= 0 {
		if int64(len(p)) > a.left {
			return errTooLong
		}
		a.left -= int64(len(p))
	}
	if a.chunked {
		fmt.Fprintf(a.out, "%x\r\n", len(p))
	}
	if _, err := a.out.Write(p); err != nil {
		return err
	}
	if a.chunked {
		fmt.Fprint(a.out, "\r\n")
	}
	return nil
}

// finish ends the answer of a guest that has ended as it should. An error says
// what the guest did not do; begun says whether the client has seen any of it.
func (a *answer) finish() error {
	switch {
	case a.failed != nil:
		return a.failed
	case !a.begun && len(a.pending) == 0:
		return errors.New("it has ended without an answer")
	case !a.begun:
		return errors.New("its header does not end: an empty line is missing")
	case !a.bare && a.left > 0:
		return fmt.Errorf("its body is %d bytes short of its Content-Length", a.left)
	}
	if a.chunked && !a.bare {
		fmt.Fprint(a.out, "0\r\n\r\n")
	}
	return a.out.Flush()
}

// decline sends an answer of the server's own. It says nothing of the inside.
func decline(out io.Writer, status int, head, end bool) error {
	text := strconv.Itoa(status) + " " + reasons[status] + "\n"
	extra := ""
	if status == 503 {
		extra += "Retry-After: 1\r\n"
	}
	if end {
		extra += "Connection: close\r\n"
	}
	body := text
	if head {
		body = ""
	}
	_, err := fmt.Fprintf(out, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nDate: %s\r\n%s\r\n%s",
		status, reasons[status], len(text), httpDate(time.Now()), extra, body)
	return err
}

// httpDate writes a time as RFC 9110, section 5.6.7, wants it.
func httpDate(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") }
