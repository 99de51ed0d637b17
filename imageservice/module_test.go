// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// emitted is an artifact whose manifest has exactly these bytes.
func emitted(t *testing.T, manifest, config string, blobs ...[]byte) artifact {
	t.Helper()
	if !json.Valid([]byte(manifest)) {
		t.Fatalf("manifest %s", manifest)
	}
	a := artifact{manifest: []byte(manifest), config: []byte(config)}
	for _, b := range blobs {
		a.layers = append(a.layers, static.NewLayer(b, types.MediaType("application/octet-stream")))
	}
	return a
}

// tools are artifacts of one module byte for byte as the tools write them.
func tools(t *testing.T, module []byte) map[string]artifact {
	t.Helper()
	sum, size := digest.FromBytes(module), len(module)
	wkgConfig := fmt.Sprintf(`{"created":"2025-03-04T05:06:07.891234567Z","author":null,"architecture":"wasm","os":"wasip1","layerDigests":["%s"],"component":null}`, sum)
	describe := func(config string) (digest.Digest, int) { return digest.FromString(config), len(config) }
	wkgDigest, wkgSize := describe(wkgConfig)
	emptyDigest, _ := describe("{}")
	return map[string]artifact{
		// wkg oci push: oci-client sorts the keys.
		"wkg": emitted(t, fmt.Sprintf(`{"annotations":{"org.opencontainers.image.version":"1.0.0"},"config":{"digest":"%s","mediaType":"application/vnd.wasm.config.v0+json","size":%d},`+
			`"layers":[{"digest":"%s","mediaType":"application/wasm","size":%d}],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}`,
			wkgDigest, wkgSize, sum, size), wkgConfig, module),
		// oras push REF hello.wasm:application/wasm, release 1.1 and later.
		"oras": emitted(t, fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.unknown.artifact.v1",`+
			`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"%s","size":2,"data":"e30="},`+
			`"layers":[{"mediaType":"application/wasm","digest":"%s","size":%d,"annotations":{"org.opencontainers.image.title":"hello.wasm"}}],`+
			`"annotations":{"org.opencontainers.image.created":"2025-03-04T05:06:07Z"}}`, emptyDigest, sum, size), "{}", module),
		// oras push REF hello.wasm: without a type, the file gets that of an archive.
		"oras without a type": emitted(t, fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.unknown.artifact.v1",`+
			`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"%s","size":2,"data":"e30="},`+
			`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"%s","size":%d,"annotations":{"org.opencontainers.image.title":"hello.wasm"}}],`+
			`"annotations":{"org.opencontainers.image.created":"2025-03-04T05:06:07Z"}}`, emptyDigest, sum, size), "{}", module),
		// oras of before 1.0.
		"old oras": emitted(t, fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":"application/vnd.unknown.config.v1+json","digest":"%s","size":2},`+
			`"layers":[{"mediaType":"application/vnd.wasm.content.layer.v1+wasm","digest":"%s","size":%d,"annotations":{"org.opencontainers.image.title":"hello.wasm"}}]}`,
			emptyDigest, sum, size), "{}", module),
		// wasm-to-oci push hello.wasm REF.
		"wasm-to-oci": emitted(t, fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":"application/vnd.wasm.config.v1+json","digest":"%s","size":2},`+
			`"layers":[{"mediaType":"application/vnd.wasm.content.layer.v1+wasm","digest":"%s","size":%d,"annotations":{"org.opencontainers.image.title":"hello.wasm"}}]}`,
			emptyDigest, sum, size), "{}", module),
	}
}

// What tools push as one module is one module, also after a restart, and has an id of its own.
func TestModulesOfTools(t *testing.T) {
	h := newHub(t)
	s := newService(t, nil)
	formats := map[string]Format{
		"wkg": FormatWasm, "oras": FormatArtifact, "oras without a type": FormatArtifact, "old oras": FormatArtifact, "wasm-to-oci": FormatLegacy,
	}
	ids := make(map[string]string)
	i := 0
	for name, a := range tools(t, wasm) {
		i++
		ref := fmt.Sprintf("tools/hello:%d", i)
		h.push(t, ref, a)
		image := mustPull(t, s, h.ref(ref))
		if image.Kind != KindModule || image.Format != formats[name] || image.Module == nil || image.Module.Name != "hello.wasm" || image.Module.Digest != digest.FromBytes(wasm) {
			t.Errorf("%s: image %+v", name, image)
		}
		if other := ids[image.ID]; other != "" {
			t.Errorf("%s and %s have the same id", name, other)
		}
		ids[image.ID] = name
		f, err := s.OpenModule(t.Context(), image)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(f); err != nil || !slices.Equal(body, wasm) {
			t.Errorf("%s: module %q, %v", name, body, err)
		}
		f.Close()
	}
	before, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if after, err := reopen(t, s).List(t.Context()); err != nil || !equalImages(before, after) {
		t.Errorf("after a restart: %+v, %v", after, err)
	}
}

// A module as the layer of a container image has what that image says about its program.
func TestModuleAsLayer(t *testing.T) {
	config, err := json.Marshal(ocispec.Image{
		Platform: ocispec.Platform{OS: "wasip1", Architecture: "wasm"},
		Config:   ocispec.ImageConfig{Entrypoint: []string{"/bin/tool.wasm#run"}, Cmd: []string{"x"}, Env: []string{"A=b"}, User: "7", WorkingDir: "/w"},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(wasm)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := newHub(t)
	s := newService(t, nil)
	for i, mediaType := range []string{"application/vnd.bytecodealliance.wasm.component.layer.v0+wasm", mediaTypeWasm} {
		ref := fmt.Sprintf("layer:%d", i)
		h.push(t, ref, newArtifact(t, ocispec.MediaTypeImageConfig, config, blob{mediaType: mediaType, body: wasm}))
		image := mustPull(t, s, h.ref(ref))
		if image.Kind != KindModule || image.Format != FormatLayer || image.Module.Name != "tool.wasm" || image.Platform != "wasip1/wasm" {
			t.Errorf("image %+v", image)
		}
		if !slices.Equal(image.Entrypoint, []string{"/bin/tool.wasm#run"}) || !slices.Equal(image.Env, []string{"A=b"}) || image.User != "7" || image.WorkingDir != "/w" {
			t.Errorf("defaults %+v", image)
		}
		if image.ID != digest.FromBytes(config).String() {
			t.Errorf("id %s is not the configuration's", image.ID)
		}
	}
}

// What lies beside the one module of an artifact is not fetched.
func TestFilesBesideAModule(t *testing.T) {
	readme := []byte("# Hello\n")
	h := newHub(t)
	h.push(t, "beside:1", newArtifact(t, ocispec.MediaTypeEmptyJSON, []byte("{}"),
		blob{mediaType: "text/markdown", body: readme}, blob{mediaType: mediaTypeWasm, body: wasm}))
	s := newService(t, nil)
	image := mustPull(t, s, h.ref("beside:1"))
	if image.Module.Digest != digest.FromBytes(wasm) || h.gets(digest.FromBytes(readme).String()) != 0 {
		t.Errorf("image %+v, text fetched %d times", image, h.gets(digest.FromBytes(readme).String()))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := reopen(t, s).Get(t.Context(), image.ID); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// The program of an image may be named with the function that runs.
func TestOpenEntryWithExport(t *testing.T) {
	h := newHub(t)
	for i, files := range [][]file{
		{{name: "app.wasm", body: string(wasm)}},
		{{name: "app.wasm", body: "other"}, {name: "app.wasm#run", body: string(wasm)}}, // a file of that very name goes first
	} {
		ref := fmt.Sprintf("export:%d", i)
		h.push(t, ref, filesImage(t, func(c *v1.ConfigFile) { c.Config.Entrypoint = []string{"/app.wasm#run"} }, gzipLayer(t, files...)))
		s := newService(t, nil)
		f, _, err := s.OpenEntry(t.Context(), mustPull(t, s, h.ref(ref)))
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(f); err != nil || !slices.Equal(body, wasm) {
			t.Errorf("program %q, %v", body, err)
		}
		f.Close()
	}
}
