// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
)

// wasm is the smallest module: magic and version.
var wasm = []byte("\x00asm\x01\x00\x00\x00")

// file is an entry of a layer; the type is a regular file's unless set.
type file struct {
	name, body, link string
	kind             byte
	mode             int64
	uid, gid         int
	pax              map[string]string
}

// archive builds a tar archive.
func archive(t *testing.T, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		hdr := &tar.Header{Name: f.name, Typeflag: f.kind, Linkname: f.link, Mode: f.mode, Uid: f.uid, Gid: f.gid, PAXRecords: f.pax}
		if hdr.Typeflag == 0 {
			hdr.Typeflag, hdr.Size = tar.TypeReg, int64(len(f.body))
		}
		if hdr.Mode == 0 {
			hdr.Mode = 0o755
		}
		if err := w.WriteHeader(hdr); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// layer is a blob with the digest that it is to have when unpacked.
type layer struct {
	v1.Layer
	diff v1.Hash
}

func (l layer) DiffID() (v1.Hash, error) { return l.diff, nil }

// rawLayer is a layer of exactly these bytes.
func rawLayer(t *testing.T, blob, unpacked []byte, mediaType types.MediaType) layer {
	t.Helper()
	diff, err := v1.NewHash(digest.FromBytes(unpacked).String())
	if err != nil {
		t.Fatal(err)
	}
	return layer{Layer: static.NewLayer(blob, mediaType), diff: diff}
}

func gzipLayer(t *testing.T, files ...file) layer {
	t.Helper()
	unpacked := archive(t, files...)
	return rawLayer(t, compressGzip(t, unpacked), unpacked, types.OCILayer)
}

func compressGzip(t *testing.T, p []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(p); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func compressZstd(t *testing.T, p []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(p, nil)
}

// filesImage builds an OCI image of files for linux and the test's architecture, as `FROM scratch` gives one.
func filesImage(t *testing.T, edit func(*v1.ConfigFile), layers ...layer) v1.Image {
	t.Helper()
	image := mutate.MediaType(mutate.ConfigMediaType(empty.Image, types.OCIConfigJSON), types.OCIManifestSchema1)
	adds := make([]mutate.Addendum, len(layers))
	for i, l := range layers {
		mediaType, err := l.MediaType()
		if err != nil {
			t.Fatal(err)
		}
		adds[i] = mutate.Addendum{Layer: l, MediaType: mediaType}
	}
	image, err := mutate.Append(image, adds...)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "wasi", "wasm"
	config.Config.Entrypoint = []string{"/hello.wasm"}
	if edit != nil {
		edit(config)
	}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		t.Fatal(err)
	}
	return image
}

// helloImage is a small image of files whose content depends on say.
func helloImage(t *testing.T, say string) v1.Image {
	t.Helper()
	return filesImage(t, nil, gzipLayer(t, file{name: "hello.wasm", body: string(wasm)}, file{name: "say", body: say}))
}

// artifact is an image made of raw manifest parts, for formats no image library writes.
type artifact struct {
	manifest []byte
	config   []byte
	layers   []v1.Layer
}

func (a artifact) RawManifest() ([]byte, error)        { return a.manifest, nil }
func (a artifact) RawConfigFile() ([]byte, error)      { return a.config, nil }
func (a artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }
func (a artifact) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	for _, l := range a.layers {
		if d, err := l.Digest(); err == nil && d == h {
			return l, nil
		}
	}
	return partial.ConfigLayer(a)
}
func (a artifact) LayerByDiffID(h v1.Hash) (v1.Layer, error) { return a.LayerByDigest(h) }
func (a artifact) Layers() ([]v1.Layer, error)               { return a.layers, nil }
func (a artifact) Size() (int64, error)                      { return partial.Size(a) }
func (a artifact) ConfigName() (v1.Hash, error)              { return partial.ConfigName(a) }
func (a artifact) ConfigFile() (*v1.ConfigFile, error)       { return partial.ConfigFile(a) }
func (a artifact) Digest() (v1.Hash, error)                  { return partial.Digest(a) }
func (a artifact) Manifest() (*v1.Manifest, error)           { return partial.Manifest(a) }

// blob is a layer of an artifact.
type blob struct {
	mediaType   string
	body        []byte
	annotations map[string]string
}

// newArtifact builds a manifest with a configuration and blobs of any media types.
func newArtifact(t *testing.T, configType string, config []byte, blobs ...blob) artifact {
	t.Helper()
	type descriptor struct {
		MediaType   string            `json:"mediaType"`
		Digest      digest.Digest     `json:"digest"`
		Size        int               `json:"size"`
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	manifest := map[string]any{
		"schemaVersion": 2,
		"mediaType":     types.OCIManifestSchema1,
		"config":        descriptor{configType, digest.FromBytes(config), len(config), nil},
	}
	a := artifact{config: config}
	layers := []descriptor{}
	for _, b := range blobs {
		layers = append(layers, descriptor{b.mediaType, digest.FromBytes(b.body), len(b.body), b.annotations})
		a.layers = append(a.layers, static.NewLayer(b.body, types.MediaType(b.mediaType)))
	}
	manifest["layers"] = layers
	var err error
	if a.manifest, err = json.Marshal(manifest); err != nil {
		t.Fatal(err)
	}
	return a
}

// wasmConfig is a configuration as wkg writes it.
func wasmConfig(t *testing.T, modules ...[]byte) []byte {
	t.Helper()
	var digests []digest.Digest
	for _, m := range modules {
		digests = append(digests, digest.FromBytes(m))
	}
	p, err := json.Marshal(map[string]any{
		"created": "2025-01-01T00:00:00Z", "architecture": "wasm", "os": "wasip1", "layerDigests": digests,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// moduleArtifact is a CNCF Wasm artifact of one module.
func moduleArtifact(t *testing.T, module []byte) artifact {
	t.Helper()
	return newArtifact(t, mediaTypeWasmConfig, wasmConfig(t, module), blob{mediaType: mediaTypeWasm, body: module})
}
