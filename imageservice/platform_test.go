// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"encoding/json"
	goruntime "runtime"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestChooseFromIndex(t *testing.T) {
	host := "linux/" + goruntime.GOARCH
	for _, test := range []struct {
		name    string
		offered string // os/architecture, "-" for none, "!" before an attestation, "+" before one with crun's annotation
		want    int    // -1 for none
	}{
		{"wasm before host", host + " wasi/wasm", 1},
		{"wasi before wasip1", "wasip1/wasm wasi/wasm", 1},
		{"wasip1 before wasip2", "wasip2/wasm wasip1/wasm", 1},
		{"old architecture", host + " wasi/wasm32", 1},
		{"linux/wasm", host + " linux/wasm", 1},
		{"unknown os with wasm", host + " js/wasm", 1},
		{"known before unknown os", "js/wasm wasi/wasm32", 1},
		{"host", "windows/amd64 " + host, 1},
		{"marked for crun before host", host + " +" + host, 1},
		{"wasm before marked for crun", "+" + host + " js/wasm32", 1},
		{"attestation is no image", "!unknown/unknown " + host, 1},
		{"first of equals", "wasi/wasm wasi/wasm", 0},
		{"one without platform", "-", 0},
		{"one without platform, one attestation", "- !unknown/unknown", 0},
		{"two without platform", "- -", -1},
		{"nothing fits", "windows/amd64 linux/s390x", -1},
		{"empty", "", -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			var index ocispec.Index
			for _, p := range strings.Fields(test.offered) {
				var entry ocispec.Descriptor
				if name, ok := strings.CutPrefix(p, "!"); ok {
					entry.Annotations = map[string]string{attestationType: "attestation-manifest"}
					p = name
				}
				if name, ok := strings.CutPrefix(p, "+"); ok {
					entry.Annotations = map[string]string{"module.wasm.image/variant": "compat-smart"}
					p = name
				}
				if os, arch, ok := strings.Cut(p, "/"); ok {
					entry.Platform = &ocispec.Platform{OS: os, Architecture: arch}
				}
				entry.Size = int64(len(index.Manifests))
				index.Manifests = append(index.Manifests, entry)
			}
			got, err := choose(index)
			switch {
			case test.want < 0 && !errdefs.IsNotFound(err):
				t.Errorf("chose %v, %v; want not found", got.Platform, err)
			case test.want >= 0 && (err != nil || got.Size != int64(test.want)):
				t.Errorf("chose entry %d (%v), %v; want %d", got.Size, got.Platform, err, test.want)
			}
		})
	}
}

// An image pulled through an index is known by the index's digest, and the other entries are not fetched.
func TestPullThroughIndex(t *testing.T) {
	h := newHub(t)
	entry := func(say, os, arch string) mutate.IndexAddendum {
		return mutate.IndexAddendum{Add: helloImage(t, say), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: os, Architecture: arch}}}
	}
	inner := mutate.AppendManifests(emptyIndex(), entry("other", "linux", goruntime.GOARCH), entry("mine", "wasi", "wasm"))
	for name, index := range map[string]v1.ImageIndex{
		"index":  inner,
		"nested": mutate.AppendManifests(emptyIndex(), mutate.IndexAddendum{Add: inner}),
	} {
		t.Run(name, func(t *testing.T) {
			top := h.pushIndex(t, "app:"+name, index)
			s := newService(t, nil)
			image := mustPull(t, s, h.ref("app:"+name))
			if want := h.ref("app@" + top); len(image.Digests) != 1 || image.Digests[0] != want {
				t.Errorf("digests = %v, want %s", image.Digests, want)
			}
			if image.Manifest.String() == top {
				t.Error("manifest is the index")
			}
			if err := s.content.Collect(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := 4 // index, manifest, configuration, layer
			if name == "nested" {
				want++
			}
			if got := blobs(t, s.opts.Root); len(got) != want {
				t.Errorf("%d blobs, want %d", len(got), want)
			}
			byDigest := mustPull(t, s, h.ref("app@"+top))
			if byDigest.ID != image.ID || len(byDigest.Digests) != 1 {
				t.Errorf("by digest: %s, %v", byDigest.ID, byDigest.Digests)
			}
		})
	}
}

func TestIndexWithNothingForThisNode(t *testing.T) {
	h := newHub(t)
	h.pushIndex(t, "app:1", mutate.AppendManifests(emptyIndex(), mutate.IndexAddendum{
		Add: helloImage(t, "x"), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "windows", Architecture: "amd64"}},
	}))
	s := newService(t, nil)
	_, err := s.Pull(t.Context(), h.ref("app:1"), nil)
	if err == nil || !strings.Contains(err.Error(), "it has nothing for wasm or for linux/") || !strings.Contains(err.Error(), "only windows/amd64") {
		t.Errorf("error = %v", err)
	}
	wantNothing(t, s)
}

func TestRefusedDocuments(t *testing.T) {
	config := `{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:` + strings.Repeat("a", 64) + `","size":2}`
	many := func(n int, of string) string { return strings.TrimSuffix(strings.Repeat(of+",", n), ",") }
	manifest := func(layers string) string {
		return `{"schemaVersion":2,"config":` + config + `,"layers":[` + layers + `]}`
	}
	for name, test := range map[string]struct{ doc, sentence string }{
		"no JSON":             {"x", "not valid JSON"},
		"schema 1":            {`{"schemaVersion":1,"fsLayers":[]}`, "schema 1"},
		"other version":       {`{"schemaVersion":3}`, "schemaVersion 3"},
		"index and manifest":  {`{"schemaVersion":2,"config":` + config + `,"layers":[],"manifests":[]}`, "not an image manifest"},
		"no layers member":    {`{"schemaVersion":2,"config":` + config + `}`, "not an image manifest"},
		"says another type":   {`{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageIndex + `","config":` + config + `,"layers":[]}`, "it says it is"},
		"too many layers":     {manifest(many(maxLayers+1, config)), "more than the 128 allowed"},
		"digest with a path":  {manifest(`{"digest":"sha256:../../etc","size":1}`), "names the digest"},
		"digest not known":    {manifest(`{"digest":"md5:0cc175b9c0f1b6a831c399e269772661","size":1}`), "names the digest"},
		"negative size":       {manifest(`{"digest":"sha256:` + strings.Repeat("b", 64) + `","size":-1}`), "a size of -1"},
		"gigantic layer":      {manifest(`{"digest":"sha256:` + strings.Repeat("b", 64) + `","size":9000000000000000000}`), "more than the"},
		"gigantic config":     {`{"schemaVersion":2,"config":{"digest":"sha256:` + strings.Repeat("b", 64) + `","size":99999999},"layers":[]}`, "more than the"},
		"layers of odd types": {manifest(`1`), "not valid"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseManifest(ocispec.MediaTypeImageManifest, []byte(test.doc))
			if err == nil {
				t.Fatal("accepted")
			}
			if said := strings.Replace(err.Error(), "its manifest says it is", "it says it is", 1); !strings.Contains(said, test.sentence) {
				t.Errorf("%q does not say %q", err, test.sentence)
			}
		})
	}
	index := `{"schemaVersion":2,"manifests":[` + many(maxEntries+1, config) + `]}`
	if _, err := parseIndex(ocispec.MediaTypeImageIndex, []byte(index)); err == nil || !strings.Contains(err.Error(), "1025 entries") {
		t.Errorf("index: %v", err)
	}
	if _, err := parseIndex(ocispec.MediaTypeImageIndex, []byte(manifest(""))); err == nil || !strings.Contains(err.Error(), "not an image index") {
		t.Errorf("manifest as index: %v", err)
	}
}

func FuzzDocuments(f *testing.F) {
	config := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: digest.FromString("{}"), Size: 2}
	manifest, err := json.Marshal(ocispec.Manifest{Config: config, Layers: []ocispec.Descriptor{config}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(strings.Replace(string(manifest), "{", `{"schemaVersion":2,`, 1)), wasmConfigJSON)
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"platform":{"os":"wasi","architecture":"wasm"}}]}`), []byte("{}"))
	f.Add([]byte(`{"schemaVersion":2,"config":{"mediaType":"application/vnd.wasm.config.v0+json","digest":"sha256:`+strings.Repeat("a", 64)+`","size":2},"layers":[{"mediaType":"application/wasm","digest":"sha256:`+strings.Repeat("b", 64)+`","size":8}]}`), wasmConfigJSON)
	f.Add([]byte(`[]`), []byte(`{"rootfs":{"diff_ids":["x"]}}`))
	f.Fuzz(func(t *testing.T, doc, config []byte) {
		if index, err := parseIndex(ocispec.MediaTypeImageIndex, doc); err == nil {
			_, _ = choose(index)
			if _, err := parseManifest(ocispec.MediaTypeImageIndex, doc); err == nil {
				t.Error("both an index and a manifest")
			}
		}
		manifest, err := parseManifest(ocispec.MediaTypeImageManifest, doc)
		if err != nil {
			return
		}
		shape, err := classify(manifest)
		if err != nil {
			return
		}
		image, layers, err := describeImage(ocispec.Descriptor{Digest: digest.FromBytes(doc), Size: int64(len(doc))}, manifest, shape, config)
		if err != nil {
			return
		}
		if image.Size <= 0 || image.ID == "" {
			t.Errorf("image = %+v", image)
		}
		if (image.Kind == KindModule) != (image.Module != nil) || image.Module != nil && len(shape.blobs) != 1 || image.Kind == KindFiles && len(layers) != len(manifest.Layers) {
			t.Errorf("image = %+v of layers %v", image, layers)
		}
	})
}

var wasmConfigJSON = []byte(`{"architecture":"wasm","os":"wasip1","layerDigests":["sha256:` + strings.Repeat("b", 64) + `"]}`)
