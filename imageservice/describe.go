// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wazelet/wazelet/imageservice/snapshot"
)

// describeImage builds the Image from a manifest of that shape and its configuration, and for an image of files its
// layers in order of unpacking. It is the only reading of them: what a pull stores, a restart reads the same way.
func describeImage(desc ocispec.Descriptor, manifest ocispec.Manifest, shape shape, rawConfig []byte) (Image, []snapshot.Layer, error) {
	var c config
	if shape.says() {
		var err error
		if c, err = parseConfig(rawConfig); err != nil {
			return Image{}, nil, err
		}
	}
	image := Image{
		ID:       manifest.Config.Digest.String(),
		Manifest: desc.Digest,
		Size:     desc.Size + manifest.Config.Size,
		Kind:     KindModule,
		Format:   shape.format,
		Platform: platformOf(c),
	}
	for _, blob := range shape.blobs {
		image.Size += blob.Size
	}
	if shape.format != FormatWasm { // whose configuration has no such part
		image.setDefaults(c)
	}
	if shape.format == FormatFiles {
		image.Kind = KindFiles
		return describeFiles(image, manifest, c)
	}
	return describeModule(image, shape.blobs[0], c), nil, nil
}

// setDefaults takes over what a configuration says about the program.
func (i *Image) setDefaults(c config) {
	i.Entrypoint, i.Cmd, i.Env = c.Config.Entrypoint, c.Config.Cmd, c.Config.Env
	i.WorkingDir, i.User, i.StopSignal = c.Config.WorkingDir, c.Config.User, c.Config.StopSignal
	i.Labels = c.Config.Labels
	i.Volumes = slices.Sorted(maps.Keys(c.Config.Volumes))
}

// platformOf returns os/architecture[/variant] as configured; nothing of it is trusted.
func platformOf(c config) string {
	platform := path.Join(c.OS, c.Architecture, c.Variant)
	return strings.Trim(quote(platform), `"`)
}

// describeModule completes the image of a module. Its id is the configuration's digest only if that depends on the
// module.
func describeModule(image Image, layer ocispec.Descriptor, c config) Image {
	if !slices.Contains(c.LayerDigests, layer.Digest) && !slices.Contains(c.RootFS.DiffIDs, layer.Digest) {
		image.ID = image.Manifest.String()
	}
	image.Module = &Module{Digest: layer.Digest, Size: layer.Size}
	return image
}

// describeFiles completes the image of files.
func describeFiles(image Image, manifest ocispec.Manifest, c config) (Image, []snapshot.Layer, error) {
	diffs := c.RootFS.DiffIDs
	if c.RootFS.Type != "" && c.RootFS.Type != "layers" {
		return Image{}, nil, malformed("its configuration has a root file system of type %s", quote(c.RootFS.Type))
	}
	if len(diffs) != len(manifest.Layers) {
		return Image{}, nil, malformed("its manifest has %d layers, its configuration %d", len(manifest.Layers), len(diffs))
	}
	layers := make([]snapshot.Layer, len(diffs))
	for i, diff := range diffs {
		if err := diff.Validate(); err != nil || diff.Algorithm() != digest.Canonical {
			return Image{}, nil, malformed("its configuration names the layer %s, not a sha256 digest", quote(diff.String()))
		}
		layers[i].Diff = diff
	}
	for i, chain := range identity.ChainIDs(slices.Clone(diffs)) {
		layers[i].Parent, layers[i].Chain, image.chain = image.chain, chain, chain
	}
	return image, layers, nil
}

// moduleName returns the file name of an image's module: its title if it has a usable one, else the program's that the
// image names, else the last part of the repository.
func moduleName(named reference.Named, layer ocispec.Descriptor, image Image) string {
	titles := []string{layer.Annotations[ocispec.AnnotationTitle]}
	if len(image.Entrypoint) > 0 {
		program, _ := cutExport(image.Entrypoint[0])
		titles = append(titles, program)
	}
	for _, title := range titles {
		if title = path.Base(title); usableName(title) {
			return title
		}
	}
	return path.Base(reference.Path(named)) + ".wasm"
}

// usableName tells whether a file can have that name without surprising anybody.
func usableName(name string) bool {
	const longest = 255
	unusable := strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '/' || r == 0xfffd })
	return name != "." && name != ".." && name != "/" && !unusable && len(name) <= longest
}
