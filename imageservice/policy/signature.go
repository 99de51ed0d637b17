// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// Signature is one signature of an image as cosign stores it: a layer of the
// image TAG(digest), with the payload as its content and the signature in an
// annotation
// (https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md).
type Signature struct {
	Payload   []byte
	Signature string // base64
}

// Names of cosign's signatures.
const (
	MediaTypePayload    = "application/vnd.dev.cosign.simplesigning.v1+json"
	AnnotationSignature = "dev.cosignproject.cosign/signature"
)

// MaxPayload bounds a payload; real ones have some 250 bytes.
const MaxPayload = 64 << 10

// Tag is where the signatures of an image are, in its repository.
func Tag(image digest.Digest) string {
	return image.Algorithm().String() + "-" + image.Encoded() + ".sig"
}

// payload is what is signed: the "simple signing" format, of which only the
// critical part counts
// (https://github.com/containers/image/blob/main/docs/containers-signature.5.md).
type payload struct {
	Critical struct {
		Type  string `json:"type"`
		Image struct {
			Digest digest.Digest `json:"docker-manifest-digest"`
		} `json:"image"`
		Identity struct {
			Reference string `json:"docker-reference"`
		} `json:"identity"`
	} `json:"critical"`
}

// payloadTypes are the types of payloads that say what is asked here.
var payloadTypes = []string{"cosign container image signature", "https://sigstore.dev/cosign/sign/v1"}

// Check is nil if the signature is by one of the keys and says that the rule may
// take the image named, which has one of the digests. The signature is checked
// before its payload is read.
func (r Rule) Check(s Signature, keys []Key, named reference.Named, digests ...digest.Digest) error {
	signature, err := base64.StdEncoding.DecodeString(s.Signature)
	if err != nil {
		return errors.New("a signature is not valid base64")
	}
	if !slices.ContainsFunc(keys, func(k Key) bool { return k.Verify(s.Payload, signature) }) {
		return errors.New("a signature is by none of the keys")
	}
	var p payload
	if err := json.Unmarshal(s.Payload, &p); err != nil {
		return fmt.Errorf("a signature is of something that is no payload: %w", err)
	}
	c := p.Critical
	switch {
	case !slices.Contains(payloadTypes, c.Type):
		return fmt.Errorf("a signature is of another type: %.100q", c.Type)
	case !slices.Contains(digests, c.Image.Digest):
		return fmt.Errorf("a signature is of another image: %.100q", c.Image.Digest)
	case !r.AnyIdentity && !sameRepository(named, c.Identity.Reference):
		return fmt.Errorf("a signature was made for %.200q", c.Identity.Reference)
	}
	return nil
}

// sameRepository tells whether a payload's reference, with a tag or a digest or
// without, is of the repository that is pulled.
func sameRepository(named reference.Named, signed string) bool {
	other, err := reference.ParseNormalizedNamed(signed)
	return err == nil && other.Name() == named.Name()
}
