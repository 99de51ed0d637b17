// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/containerd/errdefs"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wazelet/wazelet/imageservice/content"
	"github.com/wazelet/wazelet/imageservice/registry"
	"github.com/wazelet/wazelet/imageservice/snapshot"
)

// Error is a failure in the words of the person who wrote the pod, with a class of errdefs: ErrNotFound,
// ErrUnauthenticated, ErrPermissionDenied, ErrUnavailable (the registry), ErrDataLoss (other bytes than promised),
// ErrResourceExhausted (disk full), ErrFailedPrecondition (a format that is not run here), ErrInvalidArgument. What the
// image policy refuses is ErrPermissionDenied and has ErrRefused in its chain.
type Error = registry.Error

// unusable says why an image cannot be run here although it may be a fine one.
func unusable(format string, args ...any) error {
	return &Error{Text: fmt.Sprintf(format, args...), Class: errdefs.ErrFailedPrecondition}
}

// malformed says how an image breaks the format it claims to have.
func malformed(format string, args ...any) error {
	return &Error{Text: fmt.Sprintf(format, args...), Class: errdefs.ErrInvalidArgument}
}

// describe gives the errors of the store the words of an Error.
func (s *Service) describe(err error) error {
	var known *Error
	var mismatch *content.MismatchError
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &Error{
			Text:  fmt.Sprintf("no space left on the image file system (%s)", s.opts.Root),
			Class: errdefs.ErrResourceExhausted, Cause: err,
		}
	case errors.As(err, &mismatch):
		text := fmt.Sprintf("the registry sent %d bytes for blob %s, its manifest says %d", mismatch.Size, mismatch.Want.Digest, mismatch.Want.Size)
		if mismatch.Got != "" {
			text = fmt.Sprintf("the registry sent other bytes for blob %s: their digest is %s", mismatch.Want.Digest, mismatch.Got)
		}
		return &Error{Text: text, Class: errdefs.ErrDataLoss, Cause: err}
	}
	return err
}

// layerError says which layer could not be unpacked, and why.
func layerError(blob ocispec.Descriptor, err error) error {
	var (
		format *snapshot.FormatError
		limit  *snapshot.LimitError
		diff   *snapshot.DiffError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &limit):
		return &Error{Text: limit.Error(), Class: errdefs.ErrInvalidArgument, Cause: err}
	case errors.As(err, &format):
		return &Error{Text: fmt.Sprintf("layer %s: %s", blob.Digest, format), Class: errdefs.ErrInvalidArgument, Cause: err}
	case errors.Is(err, tar.ErrHeader), errors.Is(err, io.ErrUnexpectedEOF):
		return &Error{
			Text:  fmt.Sprintf("layer %s: it is not a tar archive, or a damaged one: %v", blob.Digest, err),
			Class: errdefs.ErrInvalidArgument, Cause: err,
		}
	case errors.As(err, &diff):
		return &Error{Text: fmt.Sprintf("layer %s: %s", blob.Digest, diff), Class: errdefs.ErrDataLoss, Cause: err}
	}
	return fmt.Errorf("layer %s: %w", blob.Digest, err)
}
