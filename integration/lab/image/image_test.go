// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/wazelet/wazelet/integration/lab/image"
)

// newRegistry serves a registry that go-containerregistry brings along.
func newRegistry(t *testing.T) image.Registry {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return image.Registry{Dial: func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}}
}

func TestFiles(t *testing.T) {
	img, err := image.Files(image.Config{Entrypoint: []string{"/p.wasm"}, Env: []string{"A=b"}, User: "1000"},
		image.File{Path: "/etc/"},
		image.File{Path: "/p.wasm", Content: []byte("bytes"), UID: 5},
		image.File{Path: "/link", Link: "p.wasm"})
	if err != nil {
		t.Fatal(err)
	}
	r := newRegistry(t)
	const ref = "registry.example/a/b:1"
	if _, err := r.Push(t.Context(), ref, img); err != nil {
		t.Fatal(err)
	}
	got, err := r.Get(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	pulled, err := got.Image()
	if err != nil {
		t.Fatal(err)
	}
	config, err := pulled.ConfigFile()
	if err != nil || config.OS != "wasi" || config.Architecture != "wasm" || config.Config.User != "1000" || config.Config.Entrypoint[0] != "/p.wasm" {
		t.Errorf("config %+v, %v", config, err)
	}
	if entries := list(t, pulled); !slices.Equal(entries, []string{"etc/ 755 ", "p.wasm 755 bytes", "link 755 "}) {
		t.Errorf("layer holds %q", entries)
	}
}

func list(t *testing.T, img v1.Image) []string {
	t.Helper()
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("layers %v, %v", layers, err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	var entries []string
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, fmt.Sprintf("%s %o %s", h.Name, h.Mode, b))
	}
}

func TestModule(t *testing.T) {
	module := []byte("\x00asm\x01\x00\x00\x00")
	img, err := image.Module(module)
	if err != nil {
		t.Fatal(err)
	}
	r := newRegistry(t)
	const ref = "registry.example/m:1"
	if _, err := r.Push(t.Context(), ref, img); err != nil {
		t.Fatal(err)
	}
	got, err := r.Get(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	var manifest v1.Manifest
	if err := json.Unmarshal(got.Manifest, &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.Config.MediaType != image.WasmConfig || len(manifest.Layers) != 1 || manifest.Layers[0].MediaType != image.WasmLayer {
		t.Errorf("manifest %s", got.Manifest)
	}
	pulled, err := got.Image()
	if err != nil {
		t.Fatal(err)
	}
	config, err := pulled.RawConfigFile()
	want := `"architecture":"wasm","os":"wasip1","layerDigests":["` + manifest.Layers[0].Digest.String() + `"]`
	if err != nil || !strings.Contains(string(config), want) {
		t.Errorf("config %s, %v", config, err)
	}
}

func TestIndex(t *testing.T) {
	var images []v1.Image
	for _, platform := range []string{"linux/amd64", "wasi/wasm"} {
		img, err := image.Files(image.Config{Platform: platform}, image.File{Path: platform})
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, img)
	}
	index, err := image.Index(images...)
	if err != nil {
		t.Fatal(err)
	}
	r := newRegistry(t)
	if _, err := r.Push(t.Context(), "registry.example/i:1", index); err != nil {
		t.Fatal(err)
	}
	got, err := r.Get(t.Context(), "registry.example/i:1")
	if err != nil {
		t.Fatal(err)
	}
	pulled, err := got.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := pulled.IndexManifest()
	if err != nil || len(manifest.Manifests) != 2 || manifest.Manifests[1].Platform.String() != "wasi/wasm" {
		t.Errorf("index %+v, %v", manifest, err)
	}
}
