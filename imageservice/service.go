// SPDX-License-Identifier: Apache-2.0

// Package imageservice pulls images, keeps them, and gives containers their files.
//
//	Pull ─▶ registry ─▶ content (blobs, names, leases) ─▶ snapshot (unpacked layers)
//	                                                         │
//	Get, List ◀─ index (memory)             PrepareRoot, OpenModule, OpenEntry
//
// An image is known by its id, by the tags and by the digests it was pulled with; all of them lead to the same Image.
// A pull makes everything under a lease and gives it its names last, so that one that fails, is cancelled or is killed
// leaves nothing: what no name leads to is collected.
package imageservice

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/log"
	"github.com/opencontainers/go-digest"

	"github.com/wazelet/wazelet/imageservice/content"
	"github.com/wazelet/wazelet/imageservice/policy"
	"github.com/wazelet/wazelet/imageservice/registry"
	"github.com/wazelet/wazelet/imageservice/snapshot"
)

// Auth is one registry's credentials.
type Auth = registry.Auth

// Options configure a Service.
type Options struct {
	Root                   string        // directory of everything the service keeps
	Snapshotter            string        // "overlay", "native", or "" for overlay where it works
	HostsDir               string        // of hosts.toml files, see registry.Options
	MaxConcurrentDownloads int           // layers of one pull; 0 means 3
	PullProgressTimeout    time.Duration // a pull that receives nothing for so long is given up; 0 means never
	Policy                 policy.Policy // which images are taken
	Pinned                 []string      // names of images that the kubelet's image collection leaves alone

	// Prepare runs at the end of each pull, before the image gets its names: what fails here fails the pull. It is
	// called again when a present image is pulled, and returns the image's program.
	Prepare func(ctx context.Context, s *Service, image Image) (program digest.Digest, err error)
	// Removed is told of each image that has been removed.
	Removed func(ctx context.Context, s *Service, gone Image)
}

// defaultDownloads is MaxConcurrentDownloads when the options do not say.
const defaultDownloads = 3

// Service is the image store of the node. It is safe for concurrent use.
type Service struct {
	opts    Options
	lock    *os.File
	backend *snapshot.Backend
	content *content.Store
	trees   *snapshot.Store
	index   *index
	naming  sync.Mutex // held while names change in content and index
	dropped []Finding  // of the opening, see takeDropped
	pulls   flights
	busy    locks      // by blob and by chain of layers
	garbage *collector // of blobs and layers
	trash   *collector // of removed roots
	usage   usage
	closing sync.Once

	progressEvery time.Duration // see showProgress
}

// New opens the store under opts.Root and takes back what an earlier process left half made. An image that is found
// damaged is dropped with a warning, so that it is pulled again. A store serves one process: in a second one New fails
// with errdefs.ErrUnavailable. The caller closes the service.
func New(ctx context.Context, opts Options) (*Service, error) {
	if opts.MaxConcurrentDownloads <= 0 {
		opts.MaxConcurrentDownloads = defaultDownloads
	}
	lock, err := lockRoot(opts.Root)
	if err != nil {
		return nil, err
	}
	backend, err := snapshot.OpenBackend(opts.Root, opts.Snapshotter)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	store, err := content.Open(ctx, opts.Root, map[string]snapshots.Snapshotter{backend.Name: backend})
	if err != nil {
		return nil, errors.Join(err, backend.Close(), lock.Close())
	}
	trees, err := snapshot.New(backend, store.Snapshotter(backend.Name))
	if err != nil {
		return nil, errors.Join(err, store.Close(), backend.Close(), lock.Close())
	}
	s := &Service{
		opts:    opts,
		lock:    lock,
		backend: backend,
		content: store,
		trees:   trees,
		index:   newIndex(opts.Pinned...),

		progressEvery: progressEvery,
	}
	if err := s.recover(ctx); err != nil {
		return nil, errors.Join(err, store.Close(), backend.Close(), lock.Close())
	}
	s.garbage, s.trash = newCollector(s.collect), newCollector(s.trees.Sweep)
	s.trash.request() // what an earlier process has left
	return s, nil
}

// recover brings the store into the state a clean stop leaves and fills the index from it.
func (s *Service) recover(ctx context.Context) error {
	if err := s.load(ctx); err != nil {
		return err
	}
	if err := s.trees.Touch(content.Context(ctx)); err != nil {
		return err
	}
	if err := s.content.Recover(ctx); err != nil {
		return fmt.Errorf("image store %s: %w", s.opts.Root, err)
	}
	return s.measure(ctx)
}

// Close cancels pulls that are under way, waits for them to clean up, and closes the store. Only the first call does
// anything.
func (s *Service) Close() error {
	var err error
	s.closing.Do(func() {
		s.pulls.close()
		s.garbage.close()
		s.trash.close()
		err = errors.Join(s.content.Close(), s.backend.Close(), s.lock.Close())
	})
	return err
}

// Get returns the image that ref names: a tag, a digest, an id or the beginning of one, in any form users write. It is
// answered from memory. The error is errdefs.ErrNotFound, or ErrInvalidArgument for a name no image can have and for an
// ambiguous beginning of an id.
func (s *Service) Get(_ context.Context, ref string) (Image, error) {
	image, err := s.index.find(ref)
	return image, about(ref, err)
}

// List returns all images, by id. It is answered from memory.
func (s *Service) List(context.Context) ([]Image, error) { return s.index.list(), nil }

// Remove removes the image that ref names, with all its names, and returns when its blobs and layers are gone from disk
// but for what containers use. An absent image is fine.
func (s *Service) Remove(ctx context.Context, ref string) error {
	image, err := s.index.find(ref)
	if errors.Is(err, errAbsent) {
		return nil
	}
	if err != nil {
		return about(ref, err)
	}
	if err := s.forget(ctx, image.ID); err != nil {
		return about(ref, err)
	}
	log.G(ctx).WithField("image_ref", ref).WithField("image_id", image.ID).Info("image removed")
	if s.opts.Removed != nil {
		s.opts.Removed(ctx, s, image)
	}
	if err := s.collect(ctx); err != nil {
		return about(ref, err)
	}
	return about(ref, s.measure(ctx))
}

// forget removes the names of an image.
func (s *Service) forget(ctx context.Context, id string) error {
	s.naming.Lock()
	defer s.naming.Unlock()
	image, err := s.index.find(id)
	if errors.Is(err, errAbsent) { // by another call in the meantime
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.content.RemoveNames(ctx, append(image.names(), id)...); err != nil {
		return err
	}
	s.index.drop(id)
	return nil
}
