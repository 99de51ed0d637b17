// SPDX-License-Identifier: Apache-2.0

// Package push makes an image of a module or of a folder, in any of the formats
// that this node runs, and stores it in a registry.
package push

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wazelet/wazelet/imageservice"
)

// Options say what to make an image of.
type Options struct {
	Path   string              // of a .wasm file, or of a folder for FormatFiles
	Format imageservice.Format // "" is FormatFiles for a folder, else FormatWasm

	// Component says what the module imports and exports if it is a component; nil
	// for a core module.
	Component *Component

	// What the image says about its program; not for artifacts, which have no
	// place for it. Without an entrypoint, an image of files has the module's
	// path, in a folder that of the only module at its top.
	Entrypoint, Cmd, Env []string
	WorkingDir, User     string
}

// Component is what the configuration of the CNCF's artifact tells of a component.
type Component struct {
	Exports []string `json:"exports"`
	Imports []string `json:"imports"`
	Target  *string  `json:"target"` // a world to be found elsewhere; nobody sets it
}

// Image is a manifest and what it is made of. It must be closed.
type Image struct {
	Manifest []byte
	Digest   digest.Digest // of the manifest
	Format   imageservice.Format
	blobs    []blob // the configuration first
}

// blob is a part of an image.
type blob struct {
	desc ocispec.Descriptor
	open func() (io.ReadCloser, error)
	file *os.File // that has it, nil when it is in memory
}

// Close gives up what the image holds.
func (i *Image) Close() error {
	var err error
	for _, b := range i.blobs {
		if b.file != nil {
			err = errors.Join(err, b.file.Close())
		}
	}
	return err
}

// epoch is the time of everything that is made, so that the same input gives the
// same digest.
const epoch = "1970-01-01T00:00:00Z"

const emptyJSON = "{}"

// Build makes the image. What cannot be made one is ErrInvalidArgument.
func Build(o Options) (_ *Image, err error) {
	source, err := os.Open(o.Path)
	if err != nil {
		return nil, err
	}
	st, err := source.Stat()
	if err != nil {
		return nil, errors.Join(err, source.Close())
	}
	if o.Format == "" {
		o.Format = imageservice.FormatWasm
		if st.IsDir() {
			o.Format = imageservice.FormatFiles
		}
	}
	if err := o.check(st.IsDir()); err != nil {
		return nil, errors.Join(err, source.Close())
	}
	if o.Format == imageservice.FormatFiles {
		if err := source.Close(); err != nil {
			return nil, err
		}
		return o.files(st.IsDir())
	}
	return o.module(source, st.Size())
}

// check refuses what the format has no place for.
func (o Options) check(dir bool) error {
	says := len(o.Entrypoint)+len(o.Cmd)+len(o.Env) > 0 || o.WorkingDir != "" || o.User != ""
	switch o.Format {
	case imageservice.FormatFiles:
		return nil
	case imageservice.FormatLayer:
		says = false
	case imageservice.FormatWasm, imageservice.FormatLegacy, imageservice.FormatArtifact:
	default:
		return fmt.Errorf("there is no format %q: %w", o.Format, errdefs.ErrInvalidArgument)
	}
	if dir {
		return fmt.Errorf("%s is a folder, which only the format %s can hold: %w", o.Path, imageservice.FormatFiles, errdefs.ErrInvalidArgument)
	}
	if says {
		return fmt.Errorf("the format %s has no place for an entrypoint, arguments, variables, a user or a directory: a pod gives them: %w",
			o.Format, errdefs.ErrInvalidArgument)
	}
	return nil
}

// module makes an image whose layer is the module.
func (o Options) module(source *os.File, size int64) (_ *Image, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, source.Close())
		}
	}()
	if err := o.checkModule(source); err != nil {
		return nil, err
	}
	sum, err := digest.Canonical.FromReader(io.NewSectionReader(source, 0, size))
	if err != nil {
		return nil, err
	}
	layer := fileBlob(ocispec.Descriptor{MediaType: moduleType(o.Format), Digest: sum, Size: size}, source)
	layer.desc.Annotations = map[string]string{ocispec.AnnotationTitle: filepath.Base(o.Path)}
	configType, config := mediaTypes[o.Format].config, []byte(emptyJSON)
	switch o.Format {
	case imageservice.FormatWasm:
		config, err = json.Marshal(wasmConfig{Created: epoch, Architecture: "wasm", OS: o.system(), LayerDigests: []digest.Digest{sum}, Component: o.Component})
	case imageservice.FormatLayer:
		config, err = o.configuration(o.system(), sum)
	}
	if err != nil {
		return nil, err
	}
	return assemble(o.Format, memoryBlob(configType, config), layer)
}

// wasmConfig is the configuration of the CNCF's artifact, with the members and in the order of wkg's.
type wasmConfig struct {
	Created      string          `json:"created"`
	Author       *string         `json:"author"`
	Architecture string          `json:"architecture"`
	OS           string          `json:"os"`
	LayerDigests []digest.Digest `json:"layerDigests"`
	Component    *Component      `json:"component"` // null for a core module
}

// system is the platform's os: the WASI that the module is written for.
func (o Options) system() string {
	if o.Component != nil {
		return "wasip2"
	}
	return "wasip1"
}

// mediaTypes are those of configuration and module of each format.
var mediaTypes = map[imageservice.Format]struct{ config, module string }{
	imageservice.FormatWasm:     {"application/vnd.wasm.config.v0+json", "application/wasm"},
	imageservice.FormatLegacy:   {"application/vnd.wasm.config.v1+json", "application/vnd.wasm.content.layer.v1+wasm"},
	imageservice.FormatLayer:    {ocispec.MediaTypeImageConfig, "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm"},
	imageservice.FormatArtifact: {ocispec.MediaTypeEmptyJSON, "application/wasm"},
}

func moduleType(format imageservice.Format) string { return mediaTypes[format].module }

// checkModule looks at the first bytes: a core module of version 1, or a component if it was read as one.
func (o Options) checkModule(file *os.File) error {
	header := make([]byte, 8)
	n, err := file.ReadAt(header, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch {
	case string(header[:n]) == "\x00asm\x01\x00\x00\x00" && o.Component == nil:
		return nil
	case string(header[:n]) == "\x00asm\x0d\x00\x01\x00" && o.Component != nil:
		return nil
	case bytes.HasPrefix(header[:n], []byte("\x00asm")):
		return fmt.Errorf("%s is a WebAssembly binary of an unknown version: %w", file.Name(), errdefs.ErrInvalidArgument)
	}
	return fmt.Errorf("%s is not a WebAssembly module: %w", file.Name(), errdefs.ErrInvalidArgument)
}

// configuration is that of a container image with these layers.
func (o Options) configuration(os string, layers ...digest.Digest) ([]byte, error) {
	return json.Marshal(ocispec.Image{
		Platform: ocispec.Platform{OS: os, Architecture: "wasm"},
		Config: ocispec.ImageConfig{
			Entrypoint: o.Entrypoint, Cmd: o.Cmd, Env: o.Env, WorkingDir: o.WorkingDir, User: o.User,
		},
		RootFS: ocispec.RootFS{Type: "layers", DiffIDs: layers},
	})
}

func fileBlob(desc ocispec.Descriptor, file *os.File) blob {
	return blob{desc: desc, file: file, open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(file, 0, desc.Size)), nil
	}}
}

func memoryBlob(mediaType string, content []byte) blob {
	return blob{
		desc: ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))},
		open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
	}
}

// assemble puts a manifest around the parts.
func assemble(format imageservice.Format, config, layer blob) (*Image, error) {
	manifest := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: config.desc, Layers: []ocispec.Descriptor{layer.desc},
	}
	if format == imageservice.FormatArtifact {
		manifest.ArtifactType = moduleType(format)
	}
	raw, err := json.Marshal(manifest)
	if err != nil {
		return nil, err
	}
	return &Image{Manifest: raw, Digest: digest.FromBytes(raw), Format: format, blobs: []blob{config, layer}}, nil
}

// entrypoint is the program of an image of files: what was asked for, or the
// only module at the top.
func (o Options) entrypoint(top []string) ([]string, error) {
	if len(o.Entrypoint) > 0 {
		return o.Entrypoint, nil
	}
	var modules []string
	for _, name := range top {
		if strings.HasSuffix(name, ".wasm") {
			modules = append(modules, name)
		}
	}
	if len(modules) != 1 {
		return nil, fmt.Errorf("%s has %d files *.wasm at its top: say by an entrypoint which program runs: %w", o.Path, len(modules), errdefs.ErrInvalidArgument)
	}
	return []string{"/" + modules[0]}, nil
}
