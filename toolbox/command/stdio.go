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
type Output struct{ file *os.File }

// Stdout is the program's standard output.
var Stdout = Output{os.Stdout}

// Stderr is the program's standard error.
var Stderr = Output{os.Stderr}

// Write writes all of b. While it waits for room, other commands run: Go makes the standard streams
// non-blocking under WASI.
func (o Output) Write(b []byte) (n int, err error) {
	conn, err := o.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = conn.Write(func(fd uintptr) (done bool) {
		for n < len(b) {
			k, err := syscall.Write(int(fd), b[n:])
			n += max(k, 0)
			switch {
			case errors.Is(err, syscall.EAGAIN):
				return false
			case err != nil && !errors.Is(err, syscall.EINTR):
				failed = err
				return true
			}
		}
		return true
	})
	if errors.Is(failed, syscall.EPIPE) {
		BreakPipe()
	}
	return n, errors.Join(failed, err)
}

// Terminal says whether it is one.
func (o Output) Terminal() bool { return controls(o.file) }
