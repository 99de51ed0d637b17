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

// describeImage builds the Image from a manifest and its configuration, and for an image of files its layers in order
// of unpacking. It is the only reading of them: what a pull stores, a restart reads the same way.
func describeImage(desc ocispec.Descriptor, manifest ocispec.Manifest, rawConfig []byte) (Image, []snapshot.Layer, error) {
	kind, err := classify(manifest)
	if err != nil {
		return Image{}, nil, err
	}
	c, err := parseConfig(rawConfig)
	if err != nil {
		return Image{}, nil, err
	}
	image := Image{
		ID:       manifest.Config.Digest.String(),
		Manifest: desc.Digest,
		Size:     desc.Size + manifest.Config.Size,
		Kind:     kind,
		Platform: platformOf(c),
	}
	for _, layer := range manifest.Layers {
		image.Size += layer.Size
	}
	if kind == KindModule {
		return describeModule(image, manifest.Layers[0], c), nil, nil
	}
	return describeFiles(image, manifest, c)
}

// platformOf returns os/architecture[/variant] as configured; nothing of it is trusted.
func platformOf(c config) string {
	platform := path.Join(c.OS, c.Architecture, c.Variant)
	return strings.Trim(quote(platform), `"`)
}

// describeModule completes the image of a module. Its id is the configuration's digest only if that depends on the
// module.
func describeModule(image Image, layer ocispec.Descriptor, c config) Image {
	if !slices.Contains(c.LayerDigests, layer.Digest) {
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
	image.Entrypoint, image.Cmd, image.Env = c.Config.Entrypoint, c.Config.Cmd, c.Config.Env
	image.WorkingDir, image.User, image.StopSignal = c.Config.WorkingDir, c.Config.User, c.Config.StopSignal
	image.Labels = c.Config.Labels
	image.Volumes = slices.Sorted(maps.Keys(c.Config.Volumes))
	return image, layers, nil
}

// moduleName returns the file name of an artifact's module: its title if it has a usable one, else the last part of the
// repository.
func moduleName(named reference.Named, layer ocispec.Descriptor) string {
	const longest = 255
	title := path.Base(layer.Annotations[ocispec.AnnotationTitle])
	unusable := strings.ContainsFunc(title, func(r rune) bool { return r < ' ' || r == 0x7f || r == '/' || r == 0xfffd })
	if title != "." && title != ".." && title != "/" && !unusable && len(title) <= longest {
		return title
	}
	return path.Base(reference.Path(named)) + ".wasm"
}
