// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Media types of the CNCF Wasm OCI artifact (TAG Runtime, Wasm working group,
// "Wasm OCI Artifact layout").
const (
	WasmConfig types.MediaType = "application/vnd.wasm.config.v0+json"
	WasmLayer  types.MediaType = "application/wasm"
)

// Blob is a layer as it is stored.
type Blob struct {
	MediaType types.MediaType
	Content   []byte
}

// Module returns the Wasm artifact of one module. With several modules, or with
// bytes that are no module, the artifact is broken, as some tests want it.
func Module(modules ...[]byte) (v1.Image, error) {
	var blobs []Blob
	digests := []string{}
	for _, module := range modules {
		blobs = append(blobs, Blob{MediaType: WasmLayer, Content: module})
		hash, _, err := v1.SHA256(bytes.NewReader(module))
		if err != nil {
			return nil, err
		}
		digests = append(digests, hash.String())
	}
	config, err := json.Marshal(struct {
		Created      string   `json:"created"`
		Architecture string   `json:"architecture"`
		OS           string   `json:"os"`
		LayerDigests []string `json:"layerDigests"`
	}{"1970-01-01T00:00:00Z", "wasm", "wasip1", digests})
	if err != nil {
		return nil, err
	}
	return Raw(Blob{MediaType: WasmConfig, Content: config}, blobs...)
}

// Exact returns an image whose manifest and configuration have exactly these
// bytes.
func Exact(mediaType types.MediaType, manifest, config []byte, layers ...Blob) (v1.Image, error) {
	a := &artifact{mediaType: mediaType, manifest: manifest, config: config, layers: map[v1.Hash]v1.Layer{}}
	for _, blob := range layers {
		descriptor, err := describe(blob)
		if err != nil {
			return nil, err
		}
		a.layers[descriptor.Digest] = static.NewLayer(blob.Content, blob.MediaType)
	}
	return partial.CompressedToImage(a)
}

// Raw returns an image manifest around any configuration and any layers.
func Raw(config Blob, layers ...Blob) (v1.Image, error) {
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Layers: []v1.Descriptor{}}
	var err error
	if manifest.Config, err = describe(config); err != nil {
		return nil, err
	}
	for _, blob := range layers {
		descriptor, err := describe(blob)
		if err != nil {
			return nil, err
		}
		manifest.Layers = append(manifest.Layers, descriptor)
	}
	raw, err := json.Marshal(manifest)
	if err != nil {
		return nil, err
	}
	return Exact(types.OCIManifestSchema1, raw, config.Content, layers...)
}

func describe(blob Blob) (v1.Descriptor, error) {
	hash, size, err := v1.SHA256(bytes.NewReader(blob.Content))
	return v1.Descriptor{MediaType: blob.MediaType, Size: size, Digest: hash}, err
}

// artifact is the least that go-containerregistry can push.
type artifact struct {
	mediaType        types.MediaType
	manifest, config []byte
	layers           map[v1.Hash]v1.Layer
}

func (a *artifact) RawManifest() ([]byte, error)   { return a.manifest, nil }
func (a *artifact) RawConfigFile() ([]byte, error) { return a.config, nil }

func (a *artifact) MediaType() (types.MediaType, error) { return a.mediaType, nil }

func (a *artifact) LayerByDigest(hash v1.Hash) (partial.CompressedLayer, error) {
	layer, ok := a.layers[hash]
	if !ok {
		return nil, fmt.Errorf("artifact has no layer %s", hash)
	}
	return layer, nil
}
