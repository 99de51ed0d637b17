// SPDX-License-Identifier: Apache-2.0

// Package snapshot keeps the file trees of images: layers unpacked once, each on top of its parent, and a writable
// tree per container above them.
//
// It never mounts anything. Layers are written straight into the snapshotter's directories, files of an image are read
// by walking the layers, and a container's root is handed out as the mounts its worker makes in its own namespace. So
// nothing can be left mounted when the daemon is killed.
package snapshot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/plugins/snapshots/native"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay/overlayutils"
	"github.com/containerd/errdefs"
)

// Names of the snapshotters.
const (
	Overlay = "overlay" // layers share one another's files through overlayfs
	Native  = "native"  // every layer is a full copy; works on any file system, also where overlayfs cannot be mounted
)

// Backend is a snapshotter on disk, without the metadata that leases and collects its snapshots.
type Backend struct {
	snapshots.Snapshotter
	Name string
	Dir  string // of the snapshotter; the mount point it lies on is the image file system
}

// OpenBackend opens the snapshotter called name under root/snapshots/name. The name "" takes overlay where the kernel
// mounts it on this file system and native elsewhere; overlay by name where it cannot be mounted is an
// errdefs.ErrFailedPrecondition. The caller has seen to it that no other process uses root.
func OpenBackend(root, name string) (*Backend, error) {
	dir := func(name string) string { return filepath.Join(root, "snapshots", name) }
	switch name {
	case "":
		if supported(dir(Overlay)) != nil {
			return openNative(dir(Native))
		}
		return openOverlay(dir(Overlay))
	case Overlay:
		if err := supported(dir(Overlay)); err != nil {
			return nil, fmt.Errorf("snapshotter overlay: overlayfs does not work under %s (snapshotter native does): %w", root, err)
		}
		return openOverlay(dir(Overlay))
	case Native:
		return openNative(dir(Native))
	default:
		return nil, fmt.Errorf("snapshotter %q: neither %q nor %q: %w", name, Overlay, Native, errdefs.ErrInvalidArgument)
	}
}

// supported tries an overlay mount in dir. Where the disk is too full to try, it works if it has worked.
func supported(dir string) error {
	if strings.ContainsAny(dir, `,:\`) {
		return fmt.Errorf("its mount options cannot hold a path with a comma, colon or backslash: %w", errdefs.ErrFailedPrecondition)
	}
	err := overlayutils.Supported(dir)
	if err == nil || isFull(err) && used(dir) {
		return nil
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = errno // without the options of the attempt, which fill a screen
	}
	return fmt.Errorf("%w: %w", err, errdefs.ErrFailedPrecondition)
}

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// used tells whether the snapshotter in dir has been opened before.
func used(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "metadata.db"))
	return err == nil
}

func openOverlay(dir string) (*Backend, error) {
	if err := sweep(dir); err != nil {
		return nil, err
	}
	sn, err := overlay.NewSnapshotter(dir)
	if err != nil {
		return nil, fmt.Errorf("snapshotter overlay: %w", err)
	}
	return &Backend{Snapshotter: sn, Name: Overlay, Dir: dir}, nil
}

func openNative(dir string) (*Backend, error) {
	if err := sweep(dir); err != nil {
		return nil, err
	}
	sn, err := native.NewSnapshotter(dir)
	if err != nil {
		return nil, fmt.Errorf("snapshotter native: %w", err)
	}
	return &Backend{Snapshotter: sn, Name: Native, Dir: dir}, nil
}
