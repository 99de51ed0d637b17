// SPDX-License-Identifier: Apache-2.0

// Package image makes the OCI images of the tests and of the demo and pushes them
// to a registry: images of files as any builder makes them, Wasm artifacts as the
// CNCF's working group describes them, and broken ones.
package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// File is one entry of a layer. A path that ends in a slash is a folder.
type File struct {
	Path    string
	Content []byte
	// Mode holds the permission bits, and the set-user-ID bit; 0 means 0755 for
	// folders and for .wasm files, 0644 for others.
	Mode fs.FileMode
	// Link makes the entry a symbolic link to that target.
	Link string
	// HardLink makes the entry another name of the file at that path, which is
	// before it in the layer.
	HardLink string
	// UID and GID own the entry.
	UID, GID int
}

// Config is what an image says about the program in it.
type Config struct {
	Entrypoint, Cmd, Env []string
	WorkingDir, User     string
	Labels               map[string]string
	// Platform is os/architecture; empty means wasi/wasm.
	Platform string
}

// Files returns an image whose only layer holds the files: what a build FROM
// scratch makes.
func Files(config Config, files ...File) (v1.Image, error) { return Layers(config, files) }

// Layers returns an image with one layer per list of files, lowest first.
func Layers(config Config, layers ...[]File) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, files := range layers {
		var err error
		if img, err = withLayer(img, files); err != nil {
			return nil, err
		}
	}
	return withConfig(img, config)
}

// On returns the image with a further layer of files and another configuration. The
// layers of several images on one base are made once.
func On(base v1.Image, config Config, files ...File) (v1.Image, error) {
	img, err := withLayer(base, files)
	if err != nil {
		return nil, err
	}
	return withConfig(img, config)
}

func withLayer(img v1.Image, files []File) (v1.Image, error) {
	layer, err := fileLayer(files)
	if err != nil {
		return nil, err
	}
	return mutate.Append(img, mutate.Addendum{Layer: layer, MediaType: types.OCILayer})
}

func withConfig(img v1.Image, config Config) (v1.Image, error) {
	platform, err := v1.ParsePlatform(platformOf(config))
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = platform.OS, platform.Architecture
	file.Config = v1.Config{
		Entrypoint: config.Entrypoint, Cmd: config.Cmd, Env: config.Env,
		WorkingDir: config.WorkingDir, User: config.User, Labels: config.Labels,
	}
	return mutate.ConfigFile(img, file)
}

func platformOf(config Config) string {
	if config.Platform == "" {
		return "wasi/wasm"
	}
	return config.Platform
}

// Index returns an index of the images, each under its own platform.
func Index(images ...v1.Image) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, img := range images {
		config, err := img.ConfigFile()
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        img,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: config.OS, Architecture: config.Architecture}},
		})
	}
	return index, nil
}

// epoch is the time of every entry, so that the same files give the same digest.
var epoch = time.Unix(0, 0)

func fileLayer(files []File) (v1.Layer, error) {
	content, err := Archive(files...)
	if err != nil {
		return nil, err
	}
	opener := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	return tarball.LayerFromOpener(opener, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
}

// Archive returns the tar archive of the files: a layer before it is compressed.
func Archive(files ...File) ([]byte, error) {
	var content bytes.Buffer
	w := tar.NewWriter(&content)
	for _, file := range files {
		if err := w.WriteHeader(header(file)); err != nil {
			return nil, fmt.Errorf("layer entry %s: %w", file.Path, err)
		}
		if _, err := w.Write(file.Content); err != nil {
			return nil, fmt.Errorf("layer entry %s: %w", file.Path, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return content.Bytes(), nil
}

func header(file File) *tar.Header {
	h := &tar.Header{
		Name: strings.TrimPrefix(file.Path, "/"), Typeflag: tar.TypeReg, Size: int64(len(file.Content)),
		Mode: int64(file.Mode.Perm()), Uid: file.UID, Gid: file.GID, ModTime: epoch,
	}
	dir := strings.HasSuffix(file.Path, "/")
	switch {
	case dir:
		h.Typeflag = tar.TypeDir
	case file.Link != "":
		h.Typeflag, h.Linkname = tar.TypeSymlink, file.Link
	case file.HardLink != "":
		h.Typeflag, h.Linkname = tar.TypeLink, strings.TrimPrefix(file.HardLink, "/")
	}
	if file.Mode&fs.ModeSetuid != 0 {
		h.Mode |= 0o4000
	}
	if h.Mode == 0 {
		h.Mode = 0o644
		if dir || file.Link != "" || strings.HasSuffix(file.Path, ".wasm") {
			h.Mode = 0o755
		}
	}
	return h
}
