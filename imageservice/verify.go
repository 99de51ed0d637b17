// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wazelet/wazelet/imageservice/content"
	"github.com/wazelet/wazelet/imageservice/policy"
)

// ErrRefused is in the chain of errors by which the image policy refuses an image.
var ErrRefused = errors.New("refused by the image policy")

func refused(format string, args ...any) error {
	return &Error{
		Text:  "refused by the node's image policy: " + fmt.Sprintf(format, args...),
		Class: errdefs.ErrPermissionDenied, Cause: ErrRefused,
	}
}

// admit asks the policy before anybody is asked for the image.
func (s *Service) admit(named reference.Named) (policy.Rule, error) {
	rule := s.opts.Policy.Rule(named)
	if err := rule.Admit(named); err != nil {
		return rule, refused("%v", err)
	}
	return rule, nil
}

// verify looks for a signature that the rule wants, of what the reference resolved to or of the manifest that was
// chosen from it. Nothing of the image but these has been fetched yet.
func (s *Service) verify(ctx context.Context, session source, named reference.Named, rule policy.Rule, top, manifest digest.Digest) error {
	if rule.Accept != policy.Signed {
		return nil
	}
	keys, err := rule.LoadKeys()
	if err != nil {
		return refused("%v", err)
	}
	digests := []digest.Digest{top}
	if manifest != top {
		digests = append(digests, manifest)
	}
	found := 0
	var why error
	for _, dgst := range digests {
		signatures, err := s.signatures(ctx, session, dgst)
		if err != nil {
			return fmt.Errorf("its signatures: %w", err)
		}
		for _, signature := range signatures {
			err := rule.Check(signature, keys, named, digests...)
			if err == nil {
				return nil
			}
			found++
			if why == nil {
				why = err
			}
		}
	}
	if found == 0 {
		return refused("it is not signed (%s; %s is not in the repository)", rule, policy.Tag(top))
	}
	return refused("none of its signatures counts, of %d (%s): %v", found, rule, why)
}

// signatures reads the signatures of a manifest from its repository.
func (s *Service) signatures(ctx context.Context, session source, image digest.Digest) ([]policy.Signature, error) {
	desc, err := session.ResolveTag(ctx, policy.Tag(image))
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	raw, err := readBlob(ctx, session, desc, maxManifest)
	if err != nil {
		return nil, err
	}
	manifest, err := parseManifest(baseType(desc.MediaType), raw)
	if err != nil {
		return nil, err
	}
	var signatures []policy.Signature
	for _, layer := range manifest.Layers {
		if baseType(layer.MediaType) != policy.MediaTypePayload {
			continue
		}
		payload, err := readBlob(ctx, session, layer, policy.MaxPayload)
		if err != nil {
			return nil, err
		}
		signatures = append(signatures, policy.Signature{Payload: payload, Signature: layer.Annotations[policy.AnnotationSignature]})
	}
	return signatures, nil
}

// readBlob reads what is not stored.
func readBlob(ctx context.Context, session source, desc ocispec.Descriptor, limit int64) (_ []byte, err error) {
	if err := checkDescriptor(desc, limit); err != nil {
		return nil, err
	}
	body, err := session.Fetch(ctx, desc)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	raw, err := io.ReadAll(io.LimitReader(body, desc.Size+1))
	if err != nil {
		return nil, err
	}
	if got := desc.Digest.Algorithm().FromBytes(raw); int64(len(raw)) != desc.Size || got != desc.Digest {
		mismatch := &content.MismatchError{Want: desc, Size: int64(len(raw))}
		if mismatch.Size == desc.Size {
			mismatch.Got = got
		}
		return nil, mismatch
	}
	return raw, nil
}
