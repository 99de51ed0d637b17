// SPDX-License-Identifier: Apache-2.0

package httpcall

import (
	"errors"

	"github.com/wazelet/wazelet/runtime/wasi"
)

// Error is what the functions answer, as the guests' libraries know it.
type Error = wasi.Errno

// The errors, numbered as in the interface's witx.
const (
	Success Error = iota
	InvalidHandle
	MemoryNotFound
	MemoryAccessError     // no room at the place for a result
	BufferTooSmall        // for the answer; or what is to be read lies outside the memory
	HeaderNotFound        // the response has no such field
	UTF8Error             // a string is no UTF-8
	DestinationNotAllowed // also of a redirect
	InvalidMethod
	InvalidEncoding // of the header
	InvalidURL
	RequestError    // the request was not answered, or the answer broke off
	RuntimeError    // beyond a bound of the host's
	TooManySessions // as many responses are open as may be
)

// ErrNotAllowed is a redirect to where no request may go.
var ErrNotAllowed = errors.New("the redirect's destination is not allowed")
