// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/wazelet/wazelet/integration/lab/image"
)

func TestExport(t *testing.T) {
	img, err := image.Files(image.Config{Platform: "linux/amd64"}, image.File{Path: "/p", Content: []byte("bytes"), Mode: 0o755})
	if err != nil {
		t.Fatal(err)
	}
	var archive, again bytes.Buffer
	for _, w := range []*bytes.Buffer{&archive, &again} {
		if err := image.Export(w, map[string]string{"io.containerd.image.name": "registry.example/p:1"}, img); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(archive.Bytes(), again.Bytes()) {
		t.Error("the same image makes different archives")
	}
	files := map[string][]byte{}
	for r := tar.NewReader(&archive); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(files["index.json"], &index); err != nil {
		t.Fatal(err)
	}
	if len(index.Manifests) != 1 || index.Manifests[0].Annotations["io.containerd.image.name"] != "registry.example/p:1" || files["oci-layout"] == nil {
		t.Errorf("index %s", files["index.json"])
	}
	digest := index.Manifests[0].Digest
	if len(files["blobs/"+digest.Algorithm+"/"+digest.Hex]) == 0 || len(files) != 2+3 {
		t.Errorf("no blob of the manifest among %d files", len(files))
	}
}
