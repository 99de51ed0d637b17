// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/containerd/errdefs"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestToStatusMapsEachClassThroughWrapping(t *testing.T) {
	for _, tt := range []struct {
		class error
		want  codes.Code
	}{
		{errdefs.ErrInvalidArgument, codes.InvalidArgument},
		{errdefs.ErrNotFound, codes.NotFound},
		{errdefs.ErrAlreadyExists, codes.AlreadyExists},
		{errdefs.ErrPermissionDenied, codes.PermissionDenied},
		{errdefs.ErrResourceExhausted, codes.ResourceExhausted},
		{errdefs.ErrFailedPrecondition, codes.FailedPrecondition},
		{errdefs.ErrConflict, codes.FailedPrecondition},
		{errdefs.ErrAborted, codes.Aborted},
		{errdefs.ErrOutOfRange, codes.OutOfRange},
		{errdefs.ErrNotImplemented, codes.Unimplemented},
		{errdefs.ErrInternal, codes.Internal},
		{errdefs.ErrUnavailable, codes.Unavailable},
		{errdefs.ErrDataLoss, codes.DataLoss},
		{errdefs.ErrUnauthenticated, codes.Unauthenticated},
		{context.DeadlineExceeded, codes.DeadlineExceeded},
		{context.Canceled, codes.Canceled},
		{errors.New("no class"), codes.Unknown},
		{status.Error(codes.Aborted, "a status already"), codes.Aborted},
	} {
		for _, err := range []error{
			tt.class,
			fmt.Errorf("container c: start: %w", tt.class),
			errors.Join(fmt.Errorf("container c: %w", tt.class), errors.New("and the cleanup")),
		} {
			if got := status.Code(toStatus(err)); got != tt.want {
				t.Errorf("%v (%T): code %s, want %s", err, err, got, tt.want)
			}
		}
	}
	if err := toStatus(nil); err != nil {
		t.Errorf("nil became %v", err)
	}
}

// holed is an error as some libraries make them: one of its causes is nil.
type holed struct{ class error }

func (holed) Error() string     { return "image x: gone" }
func (h holed) Unwrap() []error { return []error{h.class, nil} }

func TestToStatusSurvivesErrorsWithoutACause(t *testing.T) {
	err := toStatus(fmt.Errorf("container c: %w", holed{errdefs.ErrNotFound}))
	if s := status.Convert(err); s.Code() != codes.NotFound || s.Message() != "container c: image x: gone" {
		t.Errorf("%v", err)
	}
}

func TestToStatusKeepsTheWholeText(t *testing.T) {
	err := toStatus(fmt.Errorf("image x/y:z: %w", errdefs.ErrNotFound))
	if got, want := status.Convert(err).Message(), "image x/y:z: not found"; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
	if details := status.Convert(err).Details(); len(details) != 0 {
		t.Errorf("details %v, want none", details)
	}
}

func TestToStatusMakesTextFitForProto(t *testing.T) {
	err := toStatus(errors.New("trap in \xff\xfe " + strings.Repeat("é", maxErrorText)))
	message := status.Convert(err).Message()
	if !utf8.ValidString(message) {
		t.Error("the message is not UTF-8")
	}
	if len(message) > maxErrorText {
		t.Errorf("%d bytes, want at most %d", len(message), maxErrorText)
	}
	if !strings.HasPrefix(message, "trap in \uFFFD ") {
		t.Errorf("begins %q", message[:20])
	}
}

func TestCleanCutsBetweenCharacters(t *testing.T) {
	for _, tt := range []struct {
		text  string
		limit int
		want  string
	}{
		{"", 0, ""},
		{"abc", 3, "abc"},
		{"abc", 2, "ab"},
		{"aé", 2, "a"},
		{"€", 2, ""},
		{"a\xc3", 10, "a\uFFFD"},
		{"\x00ok", 10, "\x00ok"},
	} {
		if got := clean(tt.text, tt.limit); got != tt.want {
			t.Errorf("clean(%q, %d) = %q, want %q", tt.text, tt.limit, got, tt.want)
		}
	}
}

func TestAbsentIsDoneForgivesOnlyAbsence(t *testing.T) {
	other := errors.New("disk full")
	for _, tt := range []struct{ err, want error }{
		{nil, nil},
		{fmt.Errorf("sandbox x: %w", errdefs.ErrNotFound), nil},
		{other, other},
	} {
		if got := absentIsDone(t.Context(), tt.err); !errors.Is(got, tt.want) || (got == nil) != (tt.want == nil) {
			t.Errorf("%v became %v, want %v", tt.err, got, tt.want)
		}
	}
}
