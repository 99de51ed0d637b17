// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"context"
	"errors"

	"github.com/containerd/errdefs"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Error is an answer of the upstream runtime's that reaches the client as it is:
// code, text and details.
type Error struct{ *status.Status }

// Error is the upstream runtime's text.
func (e Error) Error() string { return e.Message() }

// GRPCStatus is what gRPC sends.
func (e Error) GRPCStatus() *status.Status { return e.Status }

// asItIs keeps an error of the upstream runtime's from being put in other words.
func asItIs(err error) error {
	if err == nil {
		return nil
	}
	if s, ok := status.FromError(err); ok {
		return Error{s}
	}
	return err
}

func isUnimplemented(err error) bool { return status.Code(err) == codes.Unimplemented }

// isAway says whether an error tells that the runtime as a whole does not answer.
// containerd that has just started answers Unavailable until it has found its pods.
func isAway(err error) bool {
	return status.Code(err) == codes.Unavailable || errdefs.IsUnavailable(err)
}

// isTimeout says whether nobody answered in time.
func isTimeout(err error) bool {
	return status.Code(err) == codes.DeadlineExceeded || errors.Is(err, context.DeadlineExceeded)
}

func messageOf(err error) string { return status.Convert(err).Message() }
