// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/image"
)

// sign stores a signature of the image beside it, as `cosign sign --key` does.
func (s *space) sign(private ed25519.PrivateKey, byDigest string) {
	s.t.Helper()
	repository, sum, _ := strings.Cut(byDigest, "@")
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"%s"},"image":{"docker-manifest-digest":"%s"},"type":"cosign container image signature"},"optional":null}`, repository, sum)
	hash, _, err := v1.SHA256(strings.NewReader(string(payload)))
	if err != nil {
		s.t.Fatal(err)
	}
	const mediaType = "application/vnd.dev.cosign.simplesigning.v1+json"
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},`+
		`"layers":[{"mediaType":%q,"digest":%q,"size":%d,"annotations":{"dev.cosignproject.cosign/signature":%q}}]}`,
		types.OCIManifestSchema1, types.OCIConfigJSON, mediaType, hash, len(payload), base64.StdEncoding.EncodeToString(ed25519.Sign(private, payload)))
	img, err := image.Exact(types.OCIManifestSchema1, []byte(manifest), []byte("{}"), image.Blob{MediaType: mediaType, Content: payload})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := cluster.Push(s.ctx, repository+":"+strings.Replace(sum, ":", "-", 1)+".sig", img); err != nil {
		s.t.Fatal(err)
	}
}

// TestImagePolicy runs what the node's policy allows, and tells the pod's owner of
// what it refuses by the kubelet's own reason.
func TestImagePolicy(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cluster.SigningKey(), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	s.sign(private, s.pushHello(lab.SignedScope+"/hello:1", "signed\n", false))
	s.pushHello(lab.SignedScope+"/stranger:1", "unsigned\n", false)
	index := s.signedIndex(private)
	pinned := s.pushHello(lab.PinnedScope+"/hello:1", "pinned\n", false)
	s.pushHello(lab.ForbiddenScope+"/hello:1", "forbidden\n", false)

	run := func(name, ref string) { s.pod(name, "containers: [{name: main, image: '"+ref+"'}]") }
	for name, sentence := range map[string][2]string{
		"unsigned":  {lab.SignedScope + "/stranger:1", "it is not signed (image.policy.rules.signed"},
		"unpinned":  {lab.PinnedScope + "/hello:1", "are only taken by their digest"},
		"forbidden": {lab.ForbiddenScope + "/hello:1", "are not taken (image.policy.rules.forbidden)"},
	} {
		run(name, sentence[0])
		s.wait(name, lab.Waiting("main", "SignatureValidationFailed"))
		s.event(name, "Failed", "refused by the node's image policy: ", sentence[1])
	}
	equal(t, "log of the signed one", s.run("signed", "containers: [{name: main, image: '"+lab.SignedScope+"/hello:1'}]"), "signed\n")
	equal(t, "log of the signed index", s.run("index", "containers: [{name: main, image: '"+index+"'}]"), "from an index\n")
	equal(t, "log of the pinned one", s.run("pinned", "containers: [{name: main, image: '"+pinned+"'}]"), "pinned\n")
}

// signedIndex stores an index that is signed as a whole.
func (s *space) signedIndex(private ed25519.PrivateKey) string {
	s.t.Helper()
	img, err := image.Files(image.Config{Entrypoint: []string{"/a.wasm"}}, image.File{Path: "/a.wasm", Content: tiny.Hello("from an index\n")})
	if err != nil {
		s.t.Fatal(err)
	}
	index, err := image.Index(img)
	if err != nil {
		s.t.Fatal(err)
	}
	index = mutate.IndexMediaType(index, types.DockerManifestList)
	byDigest, err := cluster.Push(s.ctx, lab.SignedScope+"/index:1", index)
	if err != nil {
		s.t.Fatal(err)
	}
	s.sign(private, byDigest)
	return lab.SignedScope + "/index:1"
}
