// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"encoding/json"
	"mime"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wazelet/wazelet/imageservice/registry"
)

// Bounds of what a registry may make this node read.
const (
	maxManifest = registry.MaxManifest
	maxConfig   = 8 << 20
	maxLayers   = 128     // what overlayfs mounts at most in common set-ups
	maxEntries  = 1024    // of an index
	maxNesting  = 3       // of indexes in indexes
	maxLayer    = 1 << 40 // bytes of one layer
	maxModule   = 512 << 20
)

// mediaTypeArtifactManifest is of release candidates of OCI 1.1.
const mediaTypeArtifactManifest = "application/vnd.oci.artifact.manifest.v1+json"

// document has the members by which manifests and indexes, also of older formats, are told apart.
type document struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     string          `json:"mediaType"`
	Config        json.RawMessage `json:"config"`
	Layers        json.RawMessage `json:"layers"`
	Manifests     json.RawMessage `json:"manifests"`
	FSLayers      json.RawMessage `json:"fsLayers"`
}

// parseManifest reads an image manifest. A document that could be read as something else too is refused: two readers
// would see two images under one digest (CVE-2021-41190).
func parseManifest(mediaType string, raw []byte) (ocispec.Manifest, error) {
	var doc document
	var manifest ocispec.Manifest
	if err := parseDocument(mediaType, raw, &doc, &manifest); err != nil {
		return manifest, err
	}
	if doc.Manifests != nil || doc.Config == nil || doc.Layers == nil {
		return manifest, malformed("its manifest is not an image manifest (config and layers expected)")
	}
	if len(manifest.Layers) > maxLayers {
		return manifest, malformed("it has %d layers, more than the %d allowed", len(manifest.Layers), maxLayers)
	}
	if err := checkDescriptor(manifest.Config, maxConfig); err != nil {
		return manifest, err
	}
	for _, layer := range manifest.Layers {
		if err := checkDescriptor(layer, maxLayer); err != nil {
			return manifest, err
		}
	}
	return manifest, nil
}

// parseIndex reads an image index.
func parseIndex(mediaType string, raw []byte) (ocispec.Index, error) {
	var doc document
	var index ocispec.Index
	if err := parseDocument(mediaType, raw, &doc, &index); err != nil {
		return index, err
	}
	if doc.Config != nil || doc.Layers != nil || doc.Manifests == nil {
		return index, malformed("its index is not an image index (manifests expected)")
	}
	if len(index.Manifests) > maxEntries {
		return index, malformed("its index has %d entries, more than the %d allowed", len(index.Manifests), maxEntries)
	}
	for _, entry := range index.Manifests {
		if err := checkDescriptor(entry, maxManifest); err != nil {
			return index, err
		}
	}
	return index, nil
}

func parseDocument(mediaType string, raw []byte, doc *document, into any) error {
	if err := json.Unmarshal(raw, doc); err != nil {
		return malformed("its manifest is not valid JSON: %v", err)
	}
	if doc.FSLayers != nil || doc.SchemaVersion == 1 || mediaType == images.MediaTypeDockerSchema1Manifest {
		return unusable("its manifest has Docker's schema 1, which is no longer in use: build and push the image anew")
	}
	if mediaType == mediaTypeArtifactManifest {
		return unusable("its manifest has a type that OCI has withdrawn (%s): push it with a present release of the tool", mediaType)
	}
	if doc.SchemaVersion != 2 {
		return malformed("its manifest has schemaVersion %d, 2 expected", doc.SchemaVersion)
	}
	if doc.MediaType != "" && doc.MediaType != mediaType {
		return malformed("its manifest says it is %s, but it was announced as %s", quote(doc.MediaType), quote(mediaType))
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return malformed("its manifest is not valid: %v", err)
	}
	return nil
}

func checkDescriptor(desc ocispec.Descriptor, limit int64) error {
	if err := desc.Digest.Validate(); err != nil {
		return malformed("its manifest names the digest %s: %v", quote(desc.Digest.String()), err)
	}
	if desc.Size <= 0 {
		return malformed("its manifest names blob %s with a size of %d", desc.Digest, desc.Size)
	}
	if desc.Size > limit {
		return malformed("its manifest names blob %s with a size of %d bytes, more than the %d allowed", desc.Digest, desc.Size, limit)
	}
	return nil
}

// config is what is read of an image's configuration, of either kind.
type config struct {
	ocispec.Image
	LayerDigests []digest.Digest `json:"layerDigests"` // of a Wasm artifact
}

func parseConfig(raw []byte) (config, error) {
	var c config
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, malformed("its configuration is not valid: %v", err)
	}
	return c, nil
}

// baseType returns a media type without parameters, in lower case.
func baseType(mediaType string) string {
	base, _, err := mime.ParseMediaType(mediaType)
	if err != nil {
		return mediaType
	}
	return base
}
