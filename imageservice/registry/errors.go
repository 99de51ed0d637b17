// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/core/remotes/docker/auth"
	remoteerrors "github.com/containerd/containerd/v2/core/remotes/errors"
	"github.com/containerd/errdefs"
)

// Error is a failure in the words of the person who wrote the pod. Its text goes on after "image NAME: ".
type Error struct {
	Text  string
	Class error // of errdefs, or nil
	Cause error // what was observed, or nil
}

func (e *Error) Error() string { return e.Text }

// Unwrap returns the class and the cause.
func (e *Error) Unwrap() []error { return []error{e.Class, e.Cause} }

// maxSaid bounds what an error quotes of a registry's answer.
const maxSaid = 200

// explain returns err as an *Error where it knows more to say; what is the object asked for, or "" for the name itself.
// When ctx has ended, its cause is the error.
func (s *Session) explain(ctx context.Context, err error, what string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	if errors.Is(err, errStalled) {
		return &Error{
			Text: fmt.Sprintf("registry %s sent no data for %s (image.progress_timeout): pull given up after %d bytes",
				s.domain(), s.opts.ProgressTimeout, s.Received()),
			Class: errdefs.ErrUnavailable, Cause: err,
		}
	}
	if status := (remoteerrors.ErrUnexpectedStatus{}); errors.As(err, &status) {
		return s.explainStatus(err, status, what)
	}
	switch {
	case errors.Is(err, docker.ErrInvalidAuthorization), errors.Is(err, auth.ErrNoToken):
		return s.unauthorized(err)
	case errdefs.IsNotFound(err):
		return s.notFound(err, what)
	case errdefs.IsFailedPrecondition(err) && what != "": // of the reader, about the length
		return &Error{
			Text:  fmt.Sprintf("registry %s sent more bytes for %s than its manifest says", s.domain(), what),
			Class: errdefs.ErrDataLoss, Cause: err,
		}
	}
	return s.explainConnection(err)
}

func (s *Session) notFound(err error, what string) error {
	text := fmt.Sprintf("not found in registry %s", s.domain())
	if what != "" {
		text = fmt.Sprintf("registry %s lacks %s, which the image is made of", s.domain(), what)
	}
	return &Error{Text: text, Class: errdefs.ErrNotFound, Cause: err}
}

func (s *Session) unauthorized(err error) error {
	text := fmt.Sprintf("registry %s refused the credentials, or they give no access to this repository", s.domain())
	if s.auth == nil {
		text = fmt.Sprintf("registry %s requires authentication (imagePullSecrets), or the repository does not exist", s.domain())
	}
	return &Error{Text: text, Class: errdefs.ErrUnauthenticated, Cause: err}
}

func (s *Session) explainStatus(err error, status remoteerrors.ErrUnexpectedStatus, what string) error {
	said := saidBy(err)
	fail := func(class error, format string, args ...any) error {
		return &Error{Text: fmt.Sprintf(format, args...) + said, Class: class, Cause: err}
	}
	switch code := status.StatusCode; {
	case code == http.StatusUnauthorized:
		return s.unauthorized(err)
	case code == http.StatusForbidden:
		return fail(errdefs.ErrPermissionDenied, "registry %s denied access", s.domain())
	case code == http.StatusNotFound:
		return s.notFound(err, what)
	case code == http.StatusTooManyRequests:
		return fail(errdefs.ErrUnavailable, "registry %s limits the rate of pulls: too many requests", s.domain())
	case code == http.StatusBadRequest && strings.HasPrefix(status.RequestURL, "http://"):
		return fail(errdefs.ErrUnavailable, "registry %s answered %s to plain HTTP: if it speaks HTTPS, its hosts.toml must say so",
			s.domain(), status.Status)
	case code >= http.StatusInternalServerError:
		return fail(errdefs.ErrUnavailable, "registry %s answered %s", s.domain(), status.Status)
	}
	return fail(errdefs.ErrUnknown, "registry %s answered %s", s.domain(), status.Status)
}

// saidBy returns the registry's own message in err, to be appended.
func saidBy(err error) string {
	var list docker.Errors
	if !errors.As(err, &list) || len(list) == 0 {
		return ""
	}
	said := strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, list[0].Error())
	if len(said) > maxSaid {
		said = said[:maxSaid] + "…"
	}
	return ": " + strings.ToValidUTF8(said, "")
}

func (s *Session) explainConnection(err error) error {
	unavailable := func(format string, args ...any) error {
		return &Error{Text: fmt.Sprintf("registry %s ", s.domain()) + fmt.Sprintf(format, args...), Class: errdefs.ErrUnavailable, Cause: err}
	}
	var (
		record   tls.RecordHeaderError
		verify   *tls.CertificateVerificationError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		alert    tls.AlertError
		dns      *net.DNSError
		network  net.Error
		op       *net.OpError
	)
	switch {
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return unavailable("speaks plain HTTP, not HTTPS: allow that with server = \"http://%s\" in %s/hosts.toml",
			s.domain(), s.hostDir())
	case errors.As(err, &unknown):
		return unavailable("has a certificate of an unknown authority: name its CA as ca in %s/hosts.toml", s.hostDir())
	case errors.As(err, &hostname), errors.As(err, &verify):
		return unavailable("has a certificate that is not valid for it: %s", innermost(err))
	case errors.As(err, &alert):
		return unavailable("refused the TLS connection: %s", alert)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return unavailable("broke off the transfer after %d bytes, and again when it was taken up", s.Received())
	case errors.Is(err, errTooLong):
		return &Error{Text: fmt.Sprintf("registry %s: %s", s.domain(), errTooLong), Class: errdefs.ErrInvalidArgument, Cause: err}
	case errors.As(err, &dns):
		return unavailable("cannot be reached: name %s not resolved (%s)", dns.Name, dns.Err)
	case errors.Is(err, io.EOF):
		return unavailable("ended the connection without an answer")
	case errors.Is(err, syscall.ECONNREFUSED):
		return unavailable("cannot be reached: connection refused")
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, os.ErrDeadlineExceeded):
		return unavailable("cannot be reached: timed out")
	case errors.As(err, &op):
		return unavailable("cannot be reached: %s", op.Err)
	}
	return &Error{Text: fmt.Sprintf("registry %s: %s", s.domain(), innermost(err)), Class: errdefs.ErrUnknown, Cause: err}
}

// hostDir is where the registry's hosts.toml belongs.
func (s *Session) hostDir() string {
	dir := s.opts.HostsDir
	if dir == "" {
		dir = "the hosts directory"
	}
	return dir + "/" + s.domain()
}

// innermost follows a chain of errors to its first cause.
func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
