// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Each refused format is refused with a sentence that names it, and leaves nothing.
func TestRefusedFormats(t *testing.T) {
	const (
		wasmLayer = "application/vnd.wasm.content.layer.v1+wasm"
		layerType = "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm"
	)
	ociConfig := []byte(`{"architecture":"wasm","os":"wasip1","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:` + strings.Repeat("a", 64) + `"]}}`)
	tests := []struct {
		name     string
		image    artifact
		sentence string
	}{
		{"wasm-to-oci without module", newArtifact(t, "application/vnd.wasm.config.v1+json", []byte("{}")), "an artifact of wasm-to-oci has exactly one"},
		{"wasmcloud actor", newArtifact(t, "application/vnd.wasmcloud.actor.archive.config", []byte("{}"),
			blob{mediaType: "application/vnd.module.wasm.content.layer.v1+wasm", body: wasm}), "wasmCloud actor"},
		{"wasmcloud provider", newArtifact(t, "application/vnd.wasmcloud.provider.archive.config", []byte("{}"),
			blob{mediaType: "application/vnd.wasmcloud.provider.archive.layer.v1+par", body: []byte("x")}), "capability provider"},
		{"spin", newArtifact(t, ocispec.MediaTypeImageConfig, []byte("{}"),
			blob{mediaType: wasmLayer, body: wasm}, blob{mediaType: "application/vnd.fermyon.spin.application.v1+config", body: []byte("{}")}),
			"Spin application"},
		{"istio", newArtifact(t, "application/vnd.module.wasm.config.v1+json", []byte("{}"),
			blob{mediaType: "application/vnd.module.wasm.content.layer.v1+wasm", body: wasm}), "Istio or Envoy filter"},
		{"two wasm layers in an image", newArtifact(t, ocispec.MediaTypeImageConfig, ociConfig,
			blob{mediaType: layerType, body: wasm}, blob{mediaType: layerType, body: append(wasm[:8:8], 0)}), "it has 2 layers; an image with a WebAssembly binary as layer has exactly one"},
		{"files beside a wasm layer", newArtifact(t, ocispec.MediaTypeImageConfig, ociConfig,
			blob{mediaType: layerType, body: wasm}, blob{mediaType: ocispec.MediaTypeImageLayer, body: archive(t, file{name: "a"})}), "it has 2 layers; an image with a WebAssembly binary"},
		{"cosign", newArtifact(t, ocispec.MediaTypeImageConfig, []byte("{}"),
			blob{mediaType: "application/vnd.dev.cosign.simplesigning.v1+json", body: []byte("{}")}), "signature of another image"},
		{"notation", newArtifact(t, "application/vnd.cncf.notary.signature", []byte("{}"),
			blob{mediaType: "application/jose+json", body: []byte("{}")}), "signature of another image"},
		{"attestation", newArtifact(t, ocispec.MediaTypeImageConfig, []byte("{}"),
			blob{mediaType: "application/vnd.in-toto+json", body: []byte("{}")}), "attestation"},
		{"bill of materials", newArtifact(t, ocispec.MediaTypeEmptyJSON, []byte("{}"),
			blob{mediaType: "application/spdx+json", body: []byte("{}")}), "bill of materials"},
		{"helm", newArtifact(t, "application/vnd.cncf.helm.config.v1+json", []byte("{}"),
			blob{mediaType: "application/vnd.cncf.helm.chart.content.v1.tar+gzip", body: []byte("x")}), "Helm chart"},
		{"oras with two modules", newArtifact(t, ocispec.MediaTypeEmptyJSON, []byte("{}"),
			blob{mediaType: mediaTypeWasm, body: wasm}, blob{mediaType: mediaTypeWasm, body: append(wasm[:8:8], 0)}), "2 layers that are WebAssembly binaries, and nothing says which"},
		{"oras with a folder", newArtifact(t, ocispec.MediaTypeEmptyJSON, []byte("{}"),
			blob{mediaType: ocispec.MediaTypeImageLayerGzip, body: wasm, annotations: map[string]string{ocispec.AnnotationTitle: "dir.wasm", annotationUnpack: "true"}}),
			"neither a container image nor a Wasm artifact"},
		{"oras with no module", newArtifact(t, ocispec.MediaTypeEmptyJSON, []byte("{}"),
			blob{mediaType: ocispec.MediaTypeImageLayer, body: []byte("PK"), annotations: map[string]string{ocispec.AnnotationTitle: "fake.wasm"}}),
			"is not a WebAssembly binary"},
		{"unknown config", newArtifact(t, "application/vnd.example+json", []byte("{}"), blob{mediaType: "text/plain", body: []byte("x")}),
			"neither a container image nor a Wasm artifact"},
		{"two modules", newArtifact(t, mediaTypeWasmConfig, wasmConfig(t, wasm),
			blob{mediaType: mediaTypeWasm, body: wasm}, blob{mediaType: mediaTypeWasm, body: append(wasm[:8:8], 0)}), "it has 2 layers"},
		{"no module", newArtifact(t, mediaTypeWasmConfig, wasmConfig(t)), "it has 0 layers"},
		{"module of another type", newArtifact(t, mediaTypeWasmConfig, wasmConfig(t, wasm), blob{mediaType: "application/octet-stream", body: wasm}),
			"its layer has media type \"application/octet-stream\""},
		{"module without magic", newArtifact(t, mediaTypeWasmConfig, wasmConfig(t, []byte("#!/bin/sh")), blob{mediaType: mediaTypeWasm, body: []byte("#!/bin/sh")}),
			"is not a WebAssembly binary"},
		{"module as archive", newArtifact(t, ocispec.MediaTypeImageConfig, ociConfig, blob{mediaType: ocispec.MediaTypeImageLayer, body: wasm}),
			"is a WebAssembly binary, not a tar archive"},
		{"text as archive", newArtifact(t, ocispec.MediaTypeImageConfig, ociConfig,
			blob{mediaType: ocispec.MediaTypeImageLayer, body: bytes.Repeat([]byte("no tar "), 200)}), "it is not a tar archive"},
		{"damaged gzip", newArtifact(t, ocispec.MediaTypeImageConfig, ociConfig,
			blob{mediaType: ocispec.MediaTypeImageLayerGzip, body: compressGzip(t, archive(t, file{name: "a", body: "aaaa"}))[:40]}), "compressed data is corrupt"},
		{"other archive than configured", newArtifact(t, ocispec.MediaTypeImageConfig, ociConfig,
			blob{mediaType: ocispec.MediaTypeImageLayer, body: archive(t, file{name: "a"})}), "the image's configuration says"},
		{"encrypted layer", newArtifact(t, ocispec.MediaTypeImageConfig, ociConfig,
			blob{mediaType: ocispec.MediaTypeImageLayerGzip + "+encrypted", body: []byte("x")}), "is encrypted"},
		{"foreign layer", newArtifact(t, ocispec.MediaTypeImageConfig, ociConfig,
			blob{mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", body: []byte("x")}), "not to be distributed"},
		{"fewer layers than configured", newArtifact(t, ocispec.MediaTypeImageConfig, ociConfig), "its manifest has 0 layers, its configuration 1"},
		{"configuration is no JSON", newArtifact(t, ocispec.MediaTypeImageConfig, []byte("x")), "its configuration is not valid"},
		{"empty config member", newArtifact(t, "", []byte("{}")), "neither a container image nor a Wasm artifact"},
	}
	h := newHub(t)
	s := newService(t, nil)
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ref := fmt.Sprintf("refused/%d:1", i)
			h.push(t, ref, test.image)
			_, err := s.Pull(t.Context(), h.ref(ref), nil)
			if err == nil {
				t.Fatal("pulled")
			}
			if !strings.Contains(err.Error(), test.sentence) || !strings.HasPrefix(err.Error(), "image "+h.ref(ref)+": ") {
				t.Errorf("error %q does not say %q", err, test.sentence)
			}
			if !errdefs.IsFailedPrecondition(err) && !errdefs.IsInvalidArgument(err) && !errdefs.IsDataLoss(err) {
				t.Errorf("class of %v", err)
			}
			wantNothing(t, s)
		})
	}
}

func TestFormatsOfLayers(t *testing.T) {
	unpacked := archive(t, file{name: "hello.wasm", body: string(wasm)})
	docker := func(image v1.Image) v1.Image {
		return mutate.MediaType(mutate.ConfigMediaType(image, types.DockerConfigJSON), types.DockerManifestSchema2)
	}
	tests := map[string]v1.Image{
		"oci gzip":          filesImage(t, nil, rawLayer(t, compressGzip(t, unpacked), unpacked, types.OCILayer)),
		"oci zstd":          filesImage(t, nil, rawLayer(t, compressZstd(t, unpacked), unpacked, types.OCILayerZStd)),
		"oci tar":           filesImage(t, nil, rawLayer(t, unpacked, unpacked, types.OCIUncompressedLayer)),
		"docker gzip":       docker(filesImage(t, nil, rawLayer(t, compressGzip(t, unpacked), unpacked, types.DockerLayer))),
		"docker unmarked":   docker(filesImage(t, nil, rawLayer(t, compressGzip(t, unpacked), unpacked, types.DockerUncompressedLayer))),
		"two equal layers":  filesImage(t, nil, rawLayer(t, unpacked, unpacked, types.OCIUncompressedLayer), rawLayer(t, unpacked, unpacked, types.OCIUncompressedLayer)),
		"two gzip members":  filesImage(t, nil, rawLayer(t, append(compressGzip(t, unpacked[:512]), compressGzip(t, unpacked[512:])...), unpacked, types.OCILayer)),
		"padded at the end": filesImage(t, nil, rawLayer(t, append(unpacked, make([]byte, 4096)...), append(unpacked, make([]byte, 4096)...), types.OCIUncompressedLayer)),
	}
	for name, image := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHub(t)
			h.push(t, "app:1", image)
			for _, snapshotter := range []string{"overlay", "native"} {
				s := newService(t, func(o *Options) { o.Snapshotter = snapshotter })
				pulled := mustPull(t, s, h.ref("app:1"))
				f, _, err := s.OpenEntry(t.Context(), pulled)
				if err != nil {
					t.Fatalf("%s: %v", snapshotter, err)
				}
				f.Close()
			}
		})
	}
}

// An image without layers is an empty tree.
func TestImageWithoutLayers(t *testing.T) {
	h := newHub(t)
	h.push(t, "empty:1", filesImage(t, nil))
	s := newService(t, nil)
	image := mustPull(t, s, h.ref("empty:1"))
	if image.Size <= 0 {
		t.Errorf("size = %d", image.Size)
	}
	if _, _, err := s.OpenEntry(t.Context(), image); !errdefs.IsNotFound(err) {
		t.Errorf("entry: %v", err)
	}
	if _, err := s.PrepareRoot(t.Context(), "c1", image.ID); err != nil {
		t.Error(err)
	}
}

func TestModuleName(t *testing.T) {
	for _, test := range []struct{ ref, title, entrypoint, want string }{
		{"r/tools/greet:1", "", "", "greet.wasm"},
		{"greet", "", "", "greet.wasm"},
		{"r/greet", "hello.wasm", "", "hello.wasm"},
		{"r/greet", "hello.wasm", "/other.wasm", "hello.wasm"},
		{"r/greet", "", "/bin/tool.wasm", "tool.wasm"},
		{"r/greet", "", "tool.wasm#run", "tool.wasm"},
		{"r/greet", "..", "/", "greet.wasm"},
		{"r/greet", "../../etc/passwd", "", "passwd"},
		{"r/greet", "..", "", "greet.wasm"},
		{"r/greet", "/", "", "greet.wasm"},
		{"r/greet", "a\nb", "", "greet.wasm"},
		{"r/greet", strings.Repeat("a", 300), "", "greet.wasm"},
	} {
		named, err := parseRef(test.ref)
		if err != nil {
			t.Fatal(err)
		}
		layer := ocispec.Descriptor{Annotations: map[string]string{ocispec.AnnotationTitle: test.title}}
		var image Image
		if test.entrypoint != "" {
			image.Entrypoint = []string{test.entrypoint}
		}
		if got := moduleName(named, layer, image); got != test.want {
			t.Errorf("moduleName(%s, %.20q) = %q, want %q", test.ref, test.title, got, test.want)
		}
	}
}
