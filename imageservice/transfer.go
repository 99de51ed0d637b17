// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/wazelet/wazelet/imageservice/policy"
	"github.com/wazelet/wazelet/imageservice/snapshot"
	"github.com/wazelet/wazelet/observe"
)

// Labels by which garbage collection follows an image from its index to its layers.
const (
	gcManifest = "containerd.io/gc.ref.content.m."
	gcConfig   = "containerd.io/gc.ref.content.config"
	gcLayer    = "containerd.io/gc.ref.content.l."
)

// pulled is an image that is complete in the store but has no names yet.
type pulled struct {
	stored
	top   ocispec.Descriptor // what the reference resolved to: an index or the manifest
	names []string
}

// stored is an image with the blobs it is made of.
type stored struct {
	image            Image
	manifest, config ocispec.Descriptor
	blobs            []ocispec.Descriptor
	layers           []snapshot.Layer // of an image of files, one for each of the blobs
}

// transfer brings an image into the store. The context carries the lease that holds it there.
func (s *Service) transfer(ctx context.Context, session source, named reference.Named, rule policy.Rule) (_ *pulled, err error) {
	resolving, resolved := observe.Begin(ctx, observe.StepResolve)
	top, err := session.Resolve(resolving)
	resolved(err)
	if err != nil {
		return nil, err
	}
	ctx, fetched := observe.Begin(ctx, observe.StepFetch)
	defer func() { fetched(err) }()
	pulled, err := s.read(ctx, session, named, rule, top)
	if err != nil {
		return nil, err
	}
	session.Expect(pulled.image.Size)
	if err := s.transferLayers(ctx, session, pulled.image, pulled.blobs, pulled.layers); err != nil {
		return nil, err
	}
	if pulled.image.Module != nil {
		pulled.image.Module.Name = moduleName(named, pulled.blobs[0], pulled.image)
	}
	return pulled, s.link(ctx, pulled.stored)
}

// read fetches what describes an image: its manifest and its configuration.
func (s *Service) read(ctx context.Context, session source, named reference.Named, rule policy.Rule, top ocispec.Descriptor) (*pulled, error) {
	names, err := namesFor(named, top)
	if err != nil {
		return nil, err
	}
	desc, err := s.selectManifest(ctx, session, top)
	if err != nil {
		return nil, err
	}
	if err := s.verify(ctx, session, named, rule, top.Digest, desc.Digest); err != nil {
		return nil, err
	}
	raw, err := s.fetchDocument(ctx, session, desc, maxManifest)
	if err != nil {
		return nil, err
	}
	manifest, err := parseManifest(baseType(desc.MediaType), raw)
	if err != nil {
		return nil, err
	}
	shape, err := classify(manifest) // before the configuration, whose type may be anything
	if err != nil {
		return nil, err
	}
	rawConfig, err := s.fetchDocument(ctx, session, manifest.Config, maxConfig)
	if err != nil {
		return nil, err
	}
	image, layers, err := describeImage(desc, manifest, shape, rawConfig)
	if err != nil {
		return nil, err
	}
	stored := stored{image: image, manifest: desc, config: manifest.Config, blobs: shape.blobs, layers: layers}
	return &pulled{stored: stored, top: top, names: names}, nil
}

// namesFor returns the names of an image pulled as named: its digest, and its tag if it has one.
func namesFor(named reference.Named, top ocispec.Descriptor) ([]string, error) {
	byDigest, err := digestName(named, top.Digest)
	if err != nil {
		return nil, malformed("%v", err)
	}
	if named.String() == byDigest {
		return []string{byDigest}, nil
	}
	return []string{byDigest, named.String()}, nil
}

// selectManifest follows indexes to the manifest for this node.
func (s *Service) selectManifest(ctx context.Context, session source, desc ocispec.Descriptor) (ocispec.Descriptor, error) {
	for range maxNesting + 1 {
		mediaType := baseType(desc.MediaType)
		if !images.IsIndexType(mediaType) {
			return desc, nil
		}
		raw, err := s.fetchDocument(ctx, session, desc, maxManifest)
		if err != nil {
			return desc, err
		}
		index, err := parseIndex(mediaType, raw)
		if err != nil {
			return desc, err
		}
		entry, err := choose(index)
		if err != nil {
			return desc, err
		}
		if err := s.content.Label(ctx, desc.Digest, map[string]string{gcManifest + entry.Digest.Encoded()[:12]: entry.Digest.String()}); err != nil {
			return desc, err
		}
		desc = entry
	}
	return desc, malformed("its indexes are nested more than %d deep", maxNesting)
}

// fetchDocument fetches a manifest, index or configuration and returns it.
func (s *Service) fetchDocument(ctx context.Context, session source, desc ocispec.Descriptor, limit int64) ([]byte, error) {
	if err := checkDescriptor(desc, limit); err != nil {
		return nil, err
	}
	if err := s.fetch(ctx, session, desc); err != nil {
		return nil, err
	}
	return s.content.Read(ctx, desc, limit)
}

func (s *Service) fetch(ctx context.Context, session source, desc ocispec.Descriptor) error {
	unlock, err := s.busy.lock(ctx, desc.Digest.String())
	if err != nil {
		return err
	}
	defer unlock()
	return s.content.Fetch(ctx, desc, func(ctx context.Context) (io.ReadCloser, error) { return session.Fetch(ctx, desc) })
}

// transferLayers fetches blobs side by side and unpacks each as soon as it and those below it are there.
func (s *Service) transferLayers(ctx context.Context, session source, image Image, blobs []ocispec.Descriptor, layers []snapshot.Layer) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.opts.MaxConcurrentDownloads + 1) // one is for unpacking
	arrived := make([]chan struct{}, len(blobs))
	for i := range blobs {
		arrived[i] = make(chan struct{})
	}
	group.Go(func() error {
		if image.Kind == KindModule {
			return nil
		}
		return s.unpack(ctx, image, blobs, layers, arrived)
	})
	for i, blob := range blobs {
		group.Go(func() error {
			if err := s.fetch(ctx, session, blob); err != nil {
				return err
			}
			close(arrived[i])
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if image.Kind == KindModule {
		return s.checkModule(ctx, image)
	}
	return nil
}

// unpack unpacks the layers in order, each when it has arrived; a nil arrived means that all are there.
func (s *Service) unpack(ctx context.Context, image Image, blobs []ocispec.Descriptor, layers []snapshot.Layer, arrived []chan struct{}) error {
	budget := snapshot.NewBudget(image.Size)
	for i, layer := range layers {
		if arrived != nil {
			select {
			case <-arrived[i]:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if err := s.unpackLayer(ctx, layer, budget, blobs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) unpackLayer(ctx context.Context, layer snapshot.Layer, budget *snapshot.Budget, blob ocispec.Descriptor) error {
	unlock, err := s.busy.lock(ctx, "chain "+layer.Chain.String())
	if err != nil {
		return err
	}
	defer unlock()
	err = s.trees.Unpack(ctx, layer, budget, func() (io.ReadCloser, error) { return s.content.Reader(ctx, blob) })
	return layerError(blob, err)
}

// checkModule refuses an artifact whose layer cannot be WebAssembly by its first bytes.
func (s *Service) checkModule(ctx context.Context, image Image) (err error) {
	f, err := s.OpenModule(ctx, image)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	magic := make([]byte, 4)
	if _, err := io.ReadFull(f, magic); err != nil || string(magic) != "\x00asm" {
		return unusable("its layer %s is not a WebAssembly binary (it begins with %s)", image.Module.Digest, fmt.Sprintf("% x", magic))
	}
	return nil
}

// link sets the labels by which the manifest keeps the rest of the image.
func (s *Service) link(ctx context.Context, stored stored) error {
	labels := map[string]string{gcConfig: stored.config.Digest.String()}
	for i, blob := range stored.blobs {
		labels[gcLayer+strconv.Itoa(i)] = blob.Digest.String()
	}
	if err := s.content.Label(ctx, stored.manifest.Digest, labels); err != nil {
		return err
	}
	if stored.image.chain == "" {
		return nil
	}
	return s.content.Label(ctx, stored.config.Digest, map[string]string{s.trees.Label(): stored.image.chain.String()})
}
