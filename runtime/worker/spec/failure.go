// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"errors"
	"fmt"
)

// Failure classes. They say what the daemon should do about a failure; the
// daemon maps them to its own error classes.
const (
	Invalid            = "invalid"             // what was asked for cannot be right
	NotFound           = "not-found"           // a file or mount source is absent
	FailedPrecondition = "failed-precondition" // right, but not possible here or now
	CorruptCache       = "corrupt-cache"       // compiled code is absent or unusable: compile anew
	Internal           = "internal"            // a fault of the worker or the kernel
)

// Failure ends the set-up dialog, or answers a control call, with a class and
// a message for a person. It is an error.
type Failure struct {
	Class   string
	Message string
}

// Error returns the message.
func (f *Failure) Error() string { return f.Message }

// Failf makes a Failure. The format may wrap errors with %w; their text is
// kept, not their identity.
func Failf(class, format string, args ...any) *Failure {
	return &Failure{Class: class, Message: fmt.Errorf(format, args...).Error()}
}

// AsFailure returns err as a Failure: the one it wraps, with all of err's
// text, or a new one of class Internal. It returns nil for nil.
func AsFailure(err error) *Failure {
	if err == nil {
		return nil
	}
	class := Internal
	if f, ok := errors.AsType[*Failure](err); ok {
		class = f.Class
	}
	return &Failure{Class: class, Message: err.Error()}
}
