// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

func named(t testing.TB, ref string) reference.Named {
	t.Helper()
	n, err := reference.ParseDockerRef(ref)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTheNarrowestScopeCounts(t *testing.T) {
	p := Policy{Default: Nothing, Rules: []Rule{
		{Name: "registry", Scopes: []string{"r.example"}, Accept: Anything},
		{Name: "team", Scopes: []string{"r.example/team"}, Accept: Signed},
		{Name: "app", Scopes: []string{"r.example/team/app", "localhost:5000"}, Accept: Nothing},
		{Name: "domain", Scopes: []string{"*.corp.example"}, Accept: Anything},
		{Name: "hub", Scopes: []string{"docker.io/library"}, Accept: Anything},
	}}
	for ref, want := range map[string]string{
		"r.example/x": "registry", "r.example/team/x:1": "team", "r.example/team/app:1": "app", "r.example/team/app/sub": "app",
		"r.example/team/apple": "team", "r.example/teams/x": "registry", "R.Example/team/x": "team", "r.example:443/team/x": "team",
		"r.example:5000/team/x": "", "xr.example/team/x": "", "localhost:5000/x": "app", "localhost:5001/x": "",
		"a.corp.example/x": "domain", "a.b.Corp.example/x": "domain", "corp.example/x": "", "acorp.example/x": "",
		"nginx": "hub", "someone/nginx": "",
	} {
		if got := p.Rule(named(t, ref)); got.Name != want {
			t.Errorf("%s is of rule %q, want %q", ref, got.Name, want)
		}
	}
	if got := (Policy{}).Rule(named(t, "x")); got.Accept != Anything {
		t.Errorf("without a policy: %+v", got)
	}
}

func TestAdmit(t *testing.T) {
	pin := "r.example/app@" + digest.FromString("").String()
	for _, c := range []struct {
		rule Rule
		ref  string
		want string
	}{
		{Rule{Accept: Anything}, "r.example/app", ""},
		{Rule{Accept: Signed}, "r.example/app", ""},
		{Rule{Accept: Nothing}, pin, "images of r.example/app are not taken (image.policy.default)"},
		{Rule{Name: "a", Accept: Anything, Pinned: true}, "r.example/app:v1", "images of r.example/app are only taken by their digest, NAME@sha256:… (image.policy.rules.a)"},
		{Rule{Accept: Anything, Pinned: true}, pin, ""},
	} {
		if err := c.rule.Admit(named(t, c.ref)); (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("%+v, %s: %v, want %q", c.rule, c.ref, err, c.want)
		}
	}
}

// keyPair is a public key in PEM with what signs for it.
func keyPair(t testing.TB, private crypto.Signer) (string, func([]byte) string) {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	sign := func(message []byte) string {
		hash, sum := crypto.SHA256, sha256.Sum256(message)
		signed := sum[:]
		if _, ok := private.(ed25519.PrivateKey); ok {
			hash, signed = 0, message
		}
		signature, err := private.Sign(rand.Reader, signed, hash)
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(signature)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), sign
}

func ok[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func privateKeys(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	p256, err256 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, err384 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, edwards, errEd := ed25519.GenerateKey(rand.Reader)
	rsa2048, errRSA := rsa.GenerateKey(rand.Reader, 2048)
	return map[string]crypto.Signer{
		"P-256": ok(t, p256, err256), "P-384": ok(t, p384, err384), "Ed25519": ok(t, edwards, errEd), "RSA": ok(t, rsa2048, errRSA),
	}
}

// simple is a payload as cosign writes it.
func simple(identity string, image digest.Digest) []byte {
	return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"%s"},"image":{"docker-manifest-digest":"%s"},"type":"cosign container image signature"},"optional":null}`, identity, image)
}

func TestCheck(t *testing.T) {
	image, other := digest.FromString("image"), digest.FromString("other")
	app := named(t, "r.example/team/app:v1")
	for kind, private := range privateKeys(t) {
		public, sign := keyPair(t, private)
		keys, err := ParseKeys([]byte(public))
		if err != nil || len(keys) != 1 {
			t.Fatalf("%s: %v, %v", kind, keys, err)
		}
		fine := simple("r.example/team/app", image)
		for name, c := range map[string]struct {
			payload   []byte
			signature string
			rule      Rule
			want      string
		}{
			"fine":           {fine, sign(fine), Rule{}, ""},
			"with a tag":     {simple("r.example/team/app:v2", image), sign(simple("r.example/team/app:v2", image)), Rule{}, ""},
			"other image":    {simple("r.example/team/app", other), sign(simple("r.example/team/app", other)), Rule{}, "of another image"},
			"other identity": {simple("r.example/team/test", image), sign(simple("r.example/team/test", image)), Rule{}, `was made for "r.example/team/test"`},
			"any identity":   {simple("r.example/team/test", image), sign(simple("r.example/team/test", image)), Rule{AnyIdentity: true}, ""},
			"no identity":    {simple("", image), sign(simple("", image)), Rule{}, `was made for ""`},
			"other payload":  {fine, sign([]byte("other")), Rule{AnyIdentity: true}, "by none of the keys"},
			"no signature":   {fine, "", Rule{}, "by none of the keys"},
			"no base64":      {fine, "%", Rule{}, "not valid base64"},
			"no payload":     {[]byte("x"), sign([]byte("x")), Rule{}, "is no payload"},
			"other type":     {[]byte(`{"critical":{"type":"atomic"}}`), sign([]byte(`{"critical":{"type":"atomic"}}`)), Rule{}, `of another type: "atomic"`},
		} {
			err := c.rule.Check(Signature{Payload: c.payload, Signature: c.signature}, keys, app, image)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, %s: %v, want %q", kind, name, err, c.want)
			}
		}
	}
}

func TestLoadKeys(t *testing.T) {
	dir := t.TempDir()
	var all string
	for _, private := range privateKeys(t) {
		public, _ := keyPair(t, private)
		all += public
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	weakKey, _ := keyPair(t, ok(t, weak, err))
	for name, c := range map[string]struct {
		content string
		keys    int
		want    string
	}{
		"all":     {all, 4, ""},
		"weak":    {weakKey, 0, "its RSA key of 1024 bits is too weak"},
		"private": {"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n", 0, "not a PUBLIC KEY"},
		"no key":  {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", 0, "no public key that can be read"},
		"text":    {"hello", 0, "it holds no public key in PEM"},
		"huge":    {strings.Repeat("a", maxKeyFile+1), 0, "larger than"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := Rule{Name: "r", Keys: []string{path}}.LoadKeys()
		if len(keys) != c.keys || (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "key "+path+" of image.policy.rules.r: ")) {
			t.Errorf("%s: %d keys, %v", name, len(keys), err)
		}
	}
	if _, err := (Rule{Keys: []string{filepath.Join(dir, "absent")}}).LoadKeys(); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("absent: %v", err)
	}
}

// Whatever a file of keys, a signature and its payload are, they do not pass for
// what they are not.
func FuzzCheck(f *testing.F) {
	public, sign := keyPair(f, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	image := digest.FromString("image")
	fine := simple("r.example/app", image)
	f.Add([]byte(public), fine, sign(fine))
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), []byte(`{"critical":[]}`), "AAAA")
	keys, err := ParseKeys([]byte(public))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, pem, payload []byte, signature string) {
		app := named(t, "r.example/app")
		others, err := ParseKeys(pem)
		if (err == nil) != (len(others) > 0) {
			t.Errorf("%d keys, %v", len(others), err)
		}
		_ = Rule{AnyIdentity: true}.Check(Signature{payload, signature}, others, app, image)
		if err := (Rule{}).Check(Signature{payload, signature}, keys, app, image); err == nil && string(payload) != string(fine) {
			t.Errorf("payload %q passes", payload)
		}
	})
}
