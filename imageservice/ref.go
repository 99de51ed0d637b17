// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// maxRef bounds a reference; the longest legal one (255 bytes of name, 128 of tag, a digest) is far shorter.
const maxRef = 1024

// minPrefix is the least number of hexadecimal digits taken for a shortened image id.
const minPrefix = 4

// parseRef returns the fully qualified form of a name as users write it: "busybox" is docker.io/library/busybox:latest.
// With a digest, the tag beside it says nothing and is dropped. The error is errdefs.ErrInvalidArgument.
func parseRef(ref string) (reference.Named, error) {
	if len(ref) > maxRef {
		return nil, &Error{Text: "reference is longer than any registry's", Class: errdefs.ErrInvalidArgument}
	}
	named, err := reference.ParseDockerRef(ref)
	if err != nil {
		return nil, &Error{Text: err.Error(), Class: errdefs.ErrInvalidArgument, Cause: err}
	}
	return named, nil
}

// digestName returns the name by which an image is known when pulled as named: its repository at the digest.
func digestName(named reference.Named, dgst digest.Digest) (string, error) {
	canonical, err := reference.WithDigest(reference.TrimNamed(named), dgst)
	if err != nil {
		return "", err
	}
	return canonical.String(), nil
}

// isDigestName tells name@digest from name:tag among fully qualified names.
func isDigestName(name string) bool { return strings.Contains(name, "@") }

// idPrefix returns the hexadecimal digits of an image id or the beginning of one, with or without its algorithm; ok is
// false for what cannot be one.
func idPrefix(ref string) (hex string, ok bool) {
	hex = strings.TrimPrefix(ref, digest.Canonical.String()+":")
	if len(hex) < minPrefix || len(hex) > digest.Canonical.Size()*2 {
		return "", false
	}
	return hex, strings.Trim(hex, "0123456789abcdef") == ""
}

// about puts the image's name in front of an error.
func about(ref string, err error) error {
	if err == nil {
		return nil
	}
	if len(ref) > maxRef {
		ref = ref[:64] + "…"
	}
	return fmt.Errorf("image %s: %w", ref, err)
}
