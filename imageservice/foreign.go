// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// foreign are formats that are recognised and refused, by media types of the configuration or of a layer. The first
// that matches speaks, so the more telling ones come first.
var foreign = []struct {
	prefixes []string
	sentence string
}{
	{[]string{"application/vnd.fermyon.spin.", "application/vnd.spinframework.spin."},
		"is a Spin application, which needs the Spin runtime: its components can be pushed as Wasm artifacts of their own"},
	{[]string{"application/vnd.wasmcloud.provider."},
		"is a wasmCloud capability provider, a native plugin of a wasmCloud host"},
	{[]string{"application/vnd.wasmcloud.actor."},
		"is a wasmCloud actor, which runs inside a wasmCloud host and not as a container"},
	{[]string{"application/vnd.module.wasm."},
		"is an Istio or Envoy filter (proxy-wasm), which runs inside a proxy and not as a container"},
	{[]string{"application/vnd.dev.cosign.", "application/vnd.dev.sigstore.", "application/vnd.cncf.notary.signature"},
		"is a signature of another image"},
	{[]string{"application/vnd.in-toto", "application/vnd.dsse."},
		"is an attestation about another image"},
	{[]string{"application/spdx", "text/spdx", "application/vnd.cyclonedx", "application/vnd.syft"},
		"is a bill of materials of another image"},
	{[]string{"application/vnd.cncf.helm."},
		"is a Helm chart"},
}

// refuseForeign says what an image is that is recognised but not run.
func refuseForeign(manifest ocispec.Manifest) error {
	types := mediaTypesOf(manifest)
	for _, format := range foreign {
		for _, prefix := range format.prefixes {
			for _, mediaType := range types {
				if strings.HasPrefix(mediaType, prefix) {
					return unusable("media type %s: it %s", quote(mediaType), format.sentence)
				}
			}
		}
	}
	return nil
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
