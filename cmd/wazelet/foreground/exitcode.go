// SPDX-License-Identifier: Apache-2.0

package foreground

import (
	"github.com/containerd/errdefs"
)

// Exit codes of a run whose guest did not start, as with other tools that run
// containers. Every other code is the guest's.
const (
	CodeOwn         = 125 // Wazelet's own: options, store, registry, kernel
	CodeNotRunnable = 126 // found, but not a module that can run
	CodeNotFound    = 127 // no such module, image or program in the image

	// signalBase plus a signal's number is the code of a guest that it ended,
	// as in a shell.
	signalBase = 128
)

// ExitCode is the exit code for an error of Run.
func ExitCode(err error) int {
	switch {
	case errdefs.IsNotFound(err):
		return CodeNotFound
	case errdefs.IsInvalidArgument(err), errdefs.IsFailedPrecondition(err):
		return CodeNotRunnable
	}
	return CodeOwn
}
