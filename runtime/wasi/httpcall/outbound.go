// SPDX-License-Identifier: Apache-2.0

package httpcall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"sync/atomic"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// Outbound is what the guests of a process may ask, and who asks. Without a Client they may ask nothing.
type Outbound struct {
	spec.Outbound
	// Client makes the requests; nil where nothing is allowed.
	Client Client
	// Log takes a line for each request that was not made or not answered: the guest gets no more than
	// a number. It may be called from several threads.
	Log func(line string)

	open atomic.Int64 // responses, of all guests
}

// Client makes HTTP requests. Its methods are called from several goroutines.
type Client interface {
	// Do makes a request and returns when the response's head is there, or ctx ends. Redirects are followed where
	// allowed says so of their URL, else the error is ErrNotAllowed. Request.Body is not used after it
	// returns.
	Do(ctx context.Context, r *Request, allowed func(*url.URL) bool) (*Response, error)
}

// NewClient makes the client of a process. env is the guest's environment, "NAME=value" each.
type NewClient func(o spec.Outbound, env []string) Client

// Request is a request that is well-formed.
type Request struct {
	Method string
	URL    *url.URL // absolute, http or https
	Header []Field
	Body   []byte
}

// Field is a header field.
type Field struct{ Name, Value string }

// Response is the head of a response, and its body.
type Response struct {
	Status int
	Header []Field // names in lower case
	// Body is read as it arrives. Close may be called beside Read, which then ends.
	Body io.ReadCloser
}

// allows says whether a request may go to a URL.
func (o *Outbound) allows(u *url.URL) bool {
	if o.Client == nil {
		return false
	}
	origin, ok := originOf(u)
	return ok && slices.ContainsFunc(o.Allowed, func(a spec.Origin) bool { return a.Covers(origin) })
}

// acquire takes one of the responses that may be open.
func (o *Outbound) acquire() bool {
	if o.open.Add(1) <= int64(o.Concurrency) {
		return true
	}
	o.open.Add(-1)
	return false
}

func (o *Outbound) release() { o.open.Add(-1) }

// maxLine bounds what is told of a request.
const maxLine = 1 << 10

// tell says why a request was not made or not answered.
func (o *Outbound) tell(method string, u *url.URL, why string) {
	if o.Log == nil {
		return
	}
	// Method and URL are the guest's words, and errors may quote the server's.
	line := fmt.Sprintf("HTTP %s %s: %s", method, u.Redacted(), why)
	o.Log(printable(line[:min(len(line), maxLine)]))
}

func printable(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c == 0x7f {
			b[i] = ' '
		}
	}
	return string(b)
}

// classify tells of an error, and is its number.
func (o *Outbound) classify(r *Request, err error) Error {
	switch {
	case err == nil:
		return Success
	case errors.Is(err, ErrNotAllowed):
		o.tell(r.Method, r.URL, err.Error())
		return DestinationNotAllowed
	}
	o.tell(r.Method, r.URL, err.Error())
	return RequestError
}
