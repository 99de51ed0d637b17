// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/containerd/v2/core/images"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Media types of modules: the CNCF's Wasm artifact
// (https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/), and what wasm-to-oci writes.
const (
	mediaTypeWasmConfig   = "application/vnd.wasm.config.v0+json"
	mediaTypeWasm         = "application/wasm"
	mediaTypeLegacyConfig = "application/vnd.wasm.config.v1+json"
	suffixWasm            = "+wasm" // of every other type of layer that is a module by itself
)

// Format is the way an image is made.
type Format string

// Formats of images. All but the first are one module.
const (
	FormatFiles    Format = "files"       // layers that are archives, as in any container image
	FormatWasm     Format = "wasm"        // the CNCF's artifact: wkg, wasmCloud, `wazelet image push`
	FormatLegacy   Format = "wasm-to-oci" // Krustlet's artifact
	FormatLayer    Format = "wasm-layer"  // a container image's configuration with a module as its layer: runwasi
	FormatArtifact Format = "artifact"    // anything else with one layer that is a module: oras
)

// shape is what a manifest tells about its image.
type shape struct {
	format Format
	blobs  []ocispec.Descriptor // what the image needs besides manifest and configuration
}

// says tells whether the configuration is about the image; that of other artifacts may be anything.
func (s shape) says() bool {
	return s.format == FormatFiles || s.format == FormatWasm || s.format == FormatLayer
}

// classify tells from a manifest how the image is made, or why it cannot be run.
func classify(manifest ocispec.Manifest) (shape, error) {
	if err := refuseForeign(manifest); err != nil {
		return shape{}, err
	}
	switch configType := baseType(manifest.Config.MediaType); {
	case configType == mediaTypeWasmConfig:
		return artifactOf(FormatWasm, manifest)
	case configType == mediaTypeLegacyConfig:
		return artifactOf(FormatLegacy, manifest)
	case !images.IsConfigType(configType):
		return anyArtifact(manifest)
	case slices.ContainsFunc(manifest.Layers, isModule):
		return artifactOf(FormatLayer, manifest)
	}
	return shape{FormatFiles, manifest.Layers}, checkFileLayers(manifest)
}

// artifactOf admits exactly one layer, the module. The CNCF's specification leaves more than one to the consumer and
// advises to reject: nothing says which of them to run.
func artifactOf(format Format, manifest ocispec.Manifest) (shape, error) {
	if n := len(manifest.Layers); n != 1 {
		return shape{}, unusable("it has %d layers; %s has exactly one, its module", n, format.noun())
	}
	layer := manifest.Layers[0]
	if !isModule(layer) {
		return shape{}, unusable("its layer has media type %s; that of %s is %s", quote(layer.MediaType), format.noun(), mediaTypeWasm)
	}
	return moduleShape(format, layer)
}

func (f Format) noun() string {
	switch f {
	case FormatLegacy:
		return "an artifact of wasm-to-oci"
	case FormatLayer:
		return "an image with a WebAssembly binary as layer"
	}
	return "a Wasm artifact"
}

// anyArtifact looks for the one module among the layers of an artifact whose configuration says nothing. The others,
// such as a text beside it, are not fetched.
func anyArtifact(manifest ocispec.Manifest) (shape, error) {
	var found []ocispec.Descriptor
	for _, layer := range manifest.Layers {
		if isModule(layer) || isNamedModule(layer) {
			found = append(found, layer)
		}
	}
	switch len(found) {
	case 0:
		return shape{}, unusable("config type %s: it is neither a container image nor a Wasm artifact", quote(baseType(manifest.Config.MediaType)))
	case 1:
		return moduleShape(FormatArtifact, found[0])
	}
	return shape{}, unusable("it has %d layers that are WebAssembly binaries, and nothing says which of them to run", len(found))
}

func moduleShape(format Format, layer ocispec.Descriptor) (shape, error) {
	if layer.Size > maxModule {
		return shape{}, malformed("its module has %d bytes, more than the %d allowed", layer.Size, maxModule)
	}
	return shape{format, []ocispec.Descriptor{layer}}, nil
}

// isModule tells by its media type that a layer is a module and no archive.
func isModule(layer ocispec.Descriptor) bool {
	mediaType := baseType(layer.MediaType)
	return mediaType == mediaTypeWasm || strings.HasSuffix(mediaType, suffixWasm)
}

// annotationUnpack marks a layer that oras made of a folder.
const annotationUnpack = "io.deis.oras.content.unpack"

// isNamedModule knows a file that was pushed without a media type by its name. To such a file oras gives the type of an
// archive, which it is not.
func isNamedModule(layer ocispec.Descriptor) bool {
	switch baseType(layer.MediaType) {
	case ocispec.MediaTypeImageLayer, "application/octet-stream":
		return strings.HasSuffix(layer.Annotations[ocispec.AnnotationTitle], ".wasm") && layer.Annotations[annotationUnpack] != "true"
	}
	return false
}

// checkFileLayers admits layers that are tar archives.
func checkFileLayers(manifest ocispec.Manifest) error {
	for _, layer := range manifest.Layers {
		switch mediaType := baseType(layer.MediaType); {
		case images.IsNonDistributable(mediaType):
			return unusable("layer %s is not to be distributed by registries (%s)", layer.Digest, mediaType)
		case strings.HasSuffix(mediaType, "+encrypted"):
			return unusable("layer %s is encrypted", layer.Digest)
		case !isArchive(mediaType):
			return unusable("layer %s has media type %s, which is not a tar archive's", layer.Digest, quote(mediaType))
		}
	}
	return nil
}

// isArchive knows the media types of tar layers that can be unpacked, of OCI and of Docker.
func isArchive(mediaType string) bool {
	switch mediaType {
	case ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayerGzip, ocispec.MediaTypeImageLayerZstd,
		images.MediaTypeDockerSchema2Layer, images.MediaTypeDockerSchema2LayerGzip, images.MediaTypeDockerSchema2LayerZstd:
		return true
	}
	return false
}

// quote makes foreign text fit for a message: short and on one line.
func quote(s string) string {
	const most = 100
	if len(s) > most {
		s = s[:most]
		return fmt.Sprintf("%s…", strconv.Quote(s))
	}
	return strconv.Quote(s)
}
