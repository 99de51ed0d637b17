// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"github.com/containerd/log"
	"google.golang.org/grpc/status"

	"github.com/wazelet/wazelet/cri/delegate"
)

// maxErrorText bounds the message of a status. It travels in an HTTP/2 header,
// and a pod's event shows 1 KiB of it.
const maxErrorText = 8 << 10

// invalid is the refusal of one field of a request, by its path in the proto.
func invalid(field, format string, args ...any) error {
	return errdefs.ErrInvalidArgument.WithMessage(field + ": " + fmt.Sprintf(format, args...))
}

// toStatus is where a domain error becomes a gRPC status; nil stays nil. The
// causes of an error stay here: a client reads its code and its text. What the upstream
// runtime has answered is not Wazelet's to change.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	if upstream, ok := errors.AsType[delegate.Error](err); ok {
		return upstream.Err()
	}
	s, ok := status.FromError(err)
	if !ok {
		s = status.Convert(errgrpc.ToGRPC(flat{text: err.Error(), class: errdefs.Resolve(err)}))
	}
	return status.Error(s.Code(), clean(s.Message(), maxErrorText))
}

// flat is an error reduced to what a client gets: errgrpc would pack each cause
// of the whole one into the status.
type flat struct {
	text  string
	class error
}

func (f flat) Error() string { return f.text }
func (f flat) Unwrap() error { return f.class }

// absentIsDone makes an operation idempotent: what is not there needs no
// stopping and no removing.
func absentIsDone(ctx context.Context, err error) error {
	if errdefs.IsNotFound(err) {
		log.G(ctx).WithError(err).Debug("nothing to do")
		return nil
	}
	return err
}

// clean makes text of any origin fit for a proto3 string, which must be UTF-8,
// and cuts it to at most limit bytes at a character's border.
func clean(text string, limit int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}
