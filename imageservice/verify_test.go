// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wazelet/wazelet/imageservice/policy"
)

// signer signs images as `cosign sign --key` does.
type signer struct {
	private *ecdsa.PrivateKey
	file    string // of the public key
}

func newSigner(t *testing.T) *signer {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	s := &signer{private: private, file: filepath.Join(t.TempDir(), "cosign.pub")}
	if err := os.WriteFile(s.file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// sign stores a signature of the image beside it.
func (s *signer) sign(t *testing.T, h *hub, repository, identity, image string) {
	t.Helper()
	s.signAs(t, h, repository, identity, image, image)
}

// signAs stores a signature of an image as that of another.
func (s *signer) signAs(t *testing.T, h *hub, repository, identity, image, other string) {
	t.Helper()
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"%s"},"image":{"docker-manifest-digest":"%s"},"type":"cosign container image signature"},"optional":null}`, identity, image)
	sum := sha256.Sum256(payload)
	signature, err := ecdsa.SignASN1(rand.Reader, s.private, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	h.push(t, repository+":"+policy.Tag(digest.Digest(other)), newArtifact(t, ocispec.MediaTypeImageConfig, []byte("{}"), blob{
		mediaType: policy.MediaTypePayload, body: payload,
		annotations: map[string]string{policy.AnnotationSignature: base64.StdEncoding.EncodeToString(signature)},
	}))
}

func TestSignatures(t *testing.T) {
	h := newHub(t)
	owner, stranger := newSigner(t), newSigner(t)
	push := func(repository, say string) string { return h.push(t, repository+":1", helloImage(t, say)) }
	owner.sign(t, h, "signed", h.ref("signed"), push("signed", "signed"))
	stranger.sign(t, h, "strange", h.ref("strange"), push("strange", "strange"))
	owner.sign(t, h, "renamed", h.ref("signed"), push("renamed", "renamed"))
	owner.sign(t, h, "copied", h.ref("copied"), push("copied", "copied"))
	h.push(t, "copied:1", helloImage(t, "replaced")) // and not signed anew
	push("unsigned", "unsigned")
	swapped := push("swapped", "swapped")
	owner.signAs(t, h, "swapped", h.ref("swapped"), digestOfHello(t, "other"), swapped)
	prepared := 0
	s := newService(t, func(o *Options) {
		o.Policy = policy.Policy{Default: policy.Nothing, Rules: []policy.Rule{{Name: "hub", Scopes: []string{h.host}, Accept: policy.Signed, Keys: []string{owner.file}}}}
		o.Prepare = func(context.Context, *Service, Image) (digest.Digest, error) { prepared++; return "", nil }
	})
	for repository, want := range map[string]string{
		"strange":  "none of its signatures counts, of 1 (image.policy.rules.hub): a signature is by none of the keys",
		"renamed":  "a signature was made for " + fmt.Sprintf("%q", h.ref("signed")),
		"copied":   "it is not signed (image.policy.rules.hub; sha256-",
		"unsigned": "it is not signed (image.policy.rules.hub; sha256-",
		"swapped":  "a signature is of another image",
	} {
		_, err := s.Pull(t.Context(), h.ref(repository+":1"), nil)
		if !errors.Is(err, ErrRefused) || !errdefs.IsPermissionDenied(err) || !strings.Contains(err.Error(), "refused by the node's image policy: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", repository, err, want)
		}
	}
	wantNothing(t, s)
	if prepared != 0 {
		t.Errorf("%d refused images were prepared", prepared)
	}
	mustPull(t, s, h.ref("signed:1"))
	if prepared != 1 {
		t.Errorf("the signed image was prepared %d times", prepared)
	}
}

// digestOfHello is the digest of an image of helloImage.
func digestOfHello(t *testing.T, say string) string {
	t.Helper()
	hash, err := helloImage(t, say).Digest()
	if err != nil {
		t.Fatal(err)
	}
	return hash.String()
}

// A signature of the index, or of the manifest chosen from it, is enough.
func TestSignedIndex(t *testing.T) {
	h := newHub(t)
	owner := newSigner(t)
	child := helloImage(t, "child")
	entry := mutate.IndexAddendum{Add: child, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "wasi", Architecture: "wasm"}}}
	top := h.pushIndex(t, "top:1", mutate.AppendManifests(emptyIndex(), entry))
	h.pushIndex(t, "below:1", mutate.AppendManifests(emptyIndex(), entry))
	owner.sign(t, h, "top", h.ref("top"), top)
	owner.sign(t, h, "below", h.ref("below"), digestOfHello(t, "child"))
	s := newService(t, func(o *Options) {
		o.Policy = policy.Policy{Rules: []policy.Rule{{Name: "hub", Scopes: []string{h.host}, Accept: policy.Signed, Keys: []string{owner.file}}}}
	})
	mustPull(t, s, h.ref("top:1"))
	mustPull(t, s, h.ref("below:1"))
}

// What the name alone decides costs no request.
func TestPolicyOfNames(t *testing.T) {
	h := newHub(t)
	pin := h.push(t, "pinned:1", helloImage(t, "pinned"))
	h.push(t, "never:1", helloImage(t, "never"))
	s := newService(t, func(o *Options) {
		o.Policy = policy.Policy{Rules: []policy.Rule{
			{Name: "pins", Scopes: []string{h.ref("pinned")}, Accept: policy.Anything, Pinned: true},
			{Name: "never", Scopes: []string{h.ref("never")}, Accept: policy.Nothing},
			{Name: "lost", Scopes: []string{h.ref("lost")}, Accept: policy.Signed, Keys: []string{"/absent.pub"}},
		}}
	})
	before := h.gets("")
	for _, ref := range []string{"pinned:1", "never:1"} {
		if _, err := s.Pull(t.Context(), h.ref(ref), nil); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if n := h.gets("") - before; n != 0 {
		t.Errorf("%d requests", n)
	}
	mustPull(t, s, h.ref("pinned@"+pin))
	h.push(t, "lost:1", helloImage(t, "lost"))
	if _, err := s.Pull(t.Context(), h.ref("lost:1"), nil); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "key /absent.pub of image.policy.rules.lost: no such file") {
		t.Errorf("without its key: %v", err)
	}
}

// A registry that is in trouble is not said to lack a signature.
func TestSignatureOfARegistryInTrouble(t *testing.T) {
	h := newHub(t)
	owner := newSigner(t)
	owner.sign(t, h, "app", h.ref("app"), h.push(t, "app:1", helloImage(t, "app")))
	s := newService(t, func(o *Options) {
		o.Policy = policy.Policy{Rules: []policy.Rule{{Name: "hub", Scopes: []string{h.host}, Accept: policy.Signed, Keys: []string{owner.file}}}}
	})
	h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, ".sig") {
			return false
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	if _, err := s.Pull(t.Context(), h.ref("app:1"), nil); !errdefs.IsUnavailable(err) || errors.Is(err, ErrRefused) {
		t.Errorf("error %v", err)
	}
	h.intercept(nil)
	mustPull(t, s, h.ref("app:1"))
}
