// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"slices"

	"github.com/containerd/log"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wazelet/wazelet/imageservice/content"
)

// Labels of the names an image has in the content store. Every image has a name that is its id, whose target is the
// manifest; tags and digests are further names, whose target may be an index.
const (
	labelID      = "wazelet.dev/image-id"    // id of the image a name belongs to
	labelModule  = "wazelet.dev/module-name" // on the id: file name of a module
	labelProgram = "wazelet.dev/program"     // on the id: digest of what it runs
)

// record gives a pulled image its names, in the store and in the index. Names that belonged to another image move;
// that one stays under those it still has.
func (s *Service) record(ctx context.Context, pulled *pulled) error {
	image := pulled.image
	own := map[string]string{labelID: image.ID}
	if image.Module != nil {
		own[labelModule] = image.Module.Name
	}
	if image.Program != "" {
		own[labelProgram] = image.Program.String()
	}
	names := []content.Name{{Name: image.ID, Target: plain(pulled.manifest), Labels: own}}
	for _, name := range pulled.names {
		names = append(names, content.Name{Name: name, Target: plain(pulled.top), Labels: map[string]string{labelID: image.ID}})
	}
	s.naming.Lock()
	defer s.naming.Unlock()
	if err := s.content.SetNames(ctx, names...); err != nil {
		return err
	}
	s.index.put(image, pulled.names...)
	return nil
}

// plain keeps of a descriptor what identifies the blob.
func plain(desc ocispec.Descriptor) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size}
}

// load fills the index from the names in the store. An image that cannot be read loses its names.
func (s *Service) load(ctx context.Context) error {
	names, err := s.content.Names(ctx)
	if err != nil {
		return err
	}
	byID := make(map[string][]content.Name)
	for _, name := range names {
		if id := name.Labels[labelID]; id != "" {
			byID[id] = append(byID[id], name)
		}
	}
	for id, names := range byID {
		image, err := s.loadImage(ctx, id, names)
		if err == nil {
			s.index.put(image, aliases(id, names)...)
			continue
		}
		log.G(ctx).WithField("image_id", id).WithError(err).Warn("damaged image dropped")
		s.drop(id, err)
		if err := s.content.RemoveNames(ctx, append(aliases(id, names), id)...); err != nil {
			return err
		}
	}
	return nil
}

// aliases returns the names that are not the id itself.
func aliases(id string, names []content.Name) []string {
	var list []string
	for _, name := range names {
		if name.Name != id {
			list = append(list, name.Name)
		}
	}
	return list
}

// loadImage builds the image again from the blobs that the name of its id leads to.
func (s *Service) loadImage(ctx context.Context, id string, names []content.Name) (Image, error) {
	i := slices.IndexFunc(names, func(n content.Name) bool { return n.Name == id })
	if i < 0 {
		return Image{}, malformed("it has names but no record of its own")
	}
	stored, err := s.readStored(ctx, names[i])
	if err != nil {
		return Image{}, err
	}
	image := stored.image
	if image.Module != nil {
		image.Module.Name = names[i].Labels[labelModule]
	}
	image.Program = digest.Digest(names[i].Labels[labelProgram])
	for _, blob := range stored.blobs {
		if err := s.content.Check(ctx, blob); err != nil {
			return Image{}, err
		}
	}
	return image, s.trees.Check(content.Context(ctx), image.chain)
}

// readStored reads the image that the name of its id leads to, from its manifest and configuration.
func (s *Service) readStored(ctx context.Context, name content.Name) (stored, error) {
	raw, err := s.content.Read(ctx, name.Target, maxManifest)
	if err != nil {
		return stored{}, err
	}
	manifest, err := parseManifest(baseType(name.Target.MediaType), raw)
	if err != nil {
		return stored{}, err
	}
	shape, err := classify(manifest)
	if err != nil {
		return stored{}, err
	}
	rawConfig, err := s.content.Read(ctx, manifest.Config, maxConfig)
	if err != nil {
		return stored{}, err
	}
	image, layers, err := describeImage(name.Target, manifest, shape, rawConfig)
	return stored{image: image, manifest: name.Target, config: manifest.Config, blobs: shape.blobs, layers: layers}, err
}
