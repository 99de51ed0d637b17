// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"fmt"
	"sync"

	"github.com/wazelet/wazelet/imageservice/content"
)

// Filesystem is what images use of a file system.
type Filesystem struct {
	Mountpoint string // a directory on it, the snapshotter's, as containerd reports it too
	UsedBytes  uint64 // of blobs and unpacked layers; what containers wrote is theirs
	Inodes     uint64
}

// usage is the figure of the last change, so that asking costs nothing: the kubelet asks every ten seconds.
type usage struct {
	mu sync.Mutex
	fs Filesystem
}

// Filesystem returns what the images use. It is answered from memory.
func (s *Service) Filesystem(context.Context) (Filesystem, error) {
	s.usage.mu.Lock()
	defer s.usage.mu.Unlock()
	return s.usage.fs, nil
}

// measure adds up the sizes in the metadata; no directory is walked.
func (s *Service) measure(ctx context.Context) error {
	s.usage.mu.Lock()
	defer s.usage.mu.Unlock()
	count, bytes, err := s.content.Usage(ctx)
	if err != nil {
		return fmt.Errorf("size of the blobs: %w", err)
	}
	layerBytes, inodes, err := s.trees.Usage(content.Context(ctx))
	if err != nil {
		return fmt.Errorf("size of the layers: %w", err)
	}
	s.usage.fs = Filesystem{Mountpoint: s.trees.Dir(), UsedBytes: uint64(bytes + layerBytes), Inodes: uint64(count + inodes)}
	return nil
}
