// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/containerd/containerd/v2/core/images"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Media types of the CNCF Wasm artifact,
// https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/.
const (
	mediaTypeWasmConfig = "application/vnd.wasm.config.v0+json"
	mediaTypeWasm       = "application/wasm"
)

// foreign are formats that are recognised and refused, by media types of the configuration or of a layer. The first
// that matches speaks, so the more telling ones come first.
var foreign = []struct {
	prefixes []string
	sentence string
}{
	{[]string{"application/vnd.fermyon.spin.", "application/vnd.spinframework.spin."},
		"is a Spin application, which needs the Spin runtime: its components can be pushed as Wasm artifacts of their own"},
	{[]string{"application/vnd.module.wasm."},
		"is an Istio or Envoy filter (proxy-wasm), which runs inside a proxy and not as a container"},
	{[]string{"application/vnd.wasm.config.v1+json", "application/vnd.wasm.content."},
		"is an artifact of wasm-to-oci (Krustlet), a format that is not supported yet: push it as a Wasm artifact with config type " + mediaTypeWasmConfig},
	{[]string{"application/vnd.bytecodealliance."},
		"has WebAssembly binaries as layers, a format that is not supported yet: push it as a Wasm artifact with config type " + mediaTypeWasmConfig},
	{[]string{"application/vnd.dev.cosign.", "application/vnd.dev.sigstore.", "application/vnd.cncf.notary.signature"},
		"is a signature of another image"},
	{[]string{"application/vnd.in-toto", "application/vnd.dsse."},
		"is an attestation about another image"},
	{[]string{"application/spdx", "text/spdx", "application/vnd.cyclonedx", "application/vnd.syft"},
		"is a bill of materials of another image"},
	{[]string{"application/vnd.cncf.helm."},
		"is a Helm chart"},
}

// mediaTypesOf returns all media types a manifest names, the configuration's first.
func mediaTypesOf(manifest ocispec.Manifest) []string {
	types := []string{baseType(manifest.Config.MediaType)}
	if manifest.ArtifactType != "" {
		types = append(types, baseType(manifest.ArtifactType))
	}
	for _, layer := range manifest.Layers {
		types = append(types, baseType(layer.MediaType))
	}
	return types
}

// classify tells from a manifest which kind of image it is, or why it cannot be run.
func classify(manifest ocispec.Manifest) (Kind, error) {
	types := mediaTypesOf(manifest)
	for _, format := range foreign {
		for _, prefix := range format.prefixes {
			for _, mediaType := range types {
				if strings.HasPrefix(mediaType, prefix) {
					return "", unusable("media type %s: it %s", quote(mediaType), format.sentence)
				}
			}
		}
	}
	switch configType := types[0]; {
	case configType == mediaTypeWasmConfig:
		return KindModule, checkModuleLayers(manifest)
	case images.IsConfigType(configType):
		return KindFiles, checkFileLayers(manifest)
	case hasWasmLayer(manifest):
		return "", unusable("config type %s with a layer of %s: this way of pushing a module is not supported yet, its config type must be %s",
			quote(configType), mediaTypeWasm, mediaTypeWasmConfig)
	default:
		return "", unusable("config type %s: it is neither a container image nor a Wasm artifact", quote(configType))
	}
}

func hasWasmLayer(manifest ocispec.Manifest) bool {
	for _, layer := range manifest.Layers {
		if baseType(layer.MediaType) == mediaTypeWasm {
			return true
		}
	}
	return false
}

// checkModuleLayers admits exactly one layer, the module. The specification leaves more than one to the consumer and
// advises to reject: nothing says which of them to run.
func checkModuleLayers(manifest ocispec.Manifest) error {
	if n := len(manifest.Layers); n != 1 {
		return unusable("it has %d layers; a Wasm artifact has exactly one, its module", n)
	}
	layer := manifest.Layers[0]
	if baseType(layer.MediaType) != mediaTypeWasm {
		return unusable("its layer has media type %s; that of a Wasm artifact is %s", quote(layer.MediaType), mediaTypeWasm)
	}
	if layer.Size > maxModule {
		return malformed("its module has %d bytes, more than the %d allowed", layer.Size, maxModule)
	}
	return nil
}

// checkFileLayers admits layers that are tar archives.
func checkFileLayers(manifest ocispec.Manifest) error {
	for _, layer := range manifest.Layers {
		switch mediaType := baseType(layer.MediaType); {
		case mediaType == mediaTypeWasm:
			return unusable("layer %s is a WebAssembly binary beside a container image's configuration, a format that is not supported yet: its config type must be %s",
				layer.Digest, mediaTypeWasmConfig)
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
