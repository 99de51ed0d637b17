// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"os"
	"syscall"
)

// Stdin is the program's standard input. It is read through the poller: while one command waits for
// input, others run.
func Stdin() *Input {
	// Where it cannot be so, reading waits with all of the program.
	_ = syscall.SetNonblock(0, true)
	return NewInput(os.NewFile(0, "stdin"))
}

// Output is a standard stream that is written. Where nobody reads it any more the command that
// writes ends, as with a Pipe.
type Output struct{ fd int }

// Stdout and Stderr are the program's.
var Stdout, Stderr = Output{1}, Output{2}

// Write writes all of b.
func (o Output) Write(b []byte) (n int, err error) {
	for n < len(b) {
		k, err := syscall.Write(o.fd, b[n:])
		n += max(k, 0)
		switch {
		case errors.Is(err, syscall.EPIPE):
			BreakPipe()
		case err != nil && !errors.Is(err, syscall.EINTR):
			return n, err
		}
	}
	return n, nil
}

// Terminal says whether it is one.
func (o Output) Terminal() bool { return isTerminal(uintptr(o.fd)) }
