// SPDX-License-Identifier: Apache-2.0

// Package device finds out what a container's devices are: nodes of the host, by
// their paths, and what the files of the Container Device Interface (CDI) say
// of a device's name.
//
// A guest opens, reads and writes device nodes; it makes no ioctl. What needs more
// than files and variables (hooks, network devices, cache allocation) is
// refused by name.
package device

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
)

// MaxNodes bounds the device nodes of one container.
const MaxNodes = 1024

// Node is one device node as a container sees it.
type Node struct {
	HostPath      string // of the node itself, no link
	ContainerPath string // absolute
	Access        string // "r", "w" or "rw"
}

// Nodes returns the device nodes that hostPath means, following links: itself, or
// all below it when it is a directory. permissions are those of CRI's Device: of
// "r", "w" and "m", and none means "rw"; nobody makes nodes in a container, so
// "m" gives nothing.
//
// An absent path is errdefs.ErrNotFound, one that is no device
// errdefs.ErrInvalidArgument.
func Nodes(hostPath, containerPath, permissions string) ([]Node, error) {
	access, err := accessOf(permissions)
	if err != nil {
		return nil, fmt.Errorf("device %s: %w", hostPath, err)
	}
	host, err := filepath.EvalSymlinks(hostPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("device %s: does not exist on the node: %w", hostPath, errdefs.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("device %s: %w", hostPath, err)
	}
	info, err := os.Lstat(host)
	if err != nil {
		return nil, fmt.Errorf("device %s: %w", hostPath, err)
	}
	if info.Mode()&fs.ModeDevice != 0 {
		return []Node{{host, filepath.Clean(containerPath), access}}, nil
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("device %s: is no device: %w", hostPath, errdefs.ErrInvalidArgument)
	}
	return nodesBelow(host, containerPath, access)
}

// notDevices are directories of /dev that hold what is no device of the machine.
var notDevices = []string{"pts", "shm", "fd", "mqueue"}

// nodesBelow returns the nodes in a directory and those below it.
func nodesBelow(dir, containerPath, access string) ([]Node, error) {
	var nodes []Node
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // unplugged while we looked
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(notDevices, d.Name()):
			return filepath.SkipDir
		case d.Type()&fs.ModeDevice == 0:
			return nil
		case len(nodes) == MaxNodes:
			return fmt.Errorf("more than %d devices: %w", MaxNodes, errdefs.ErrInvalidArgument)
		}
		below, err := filepath.Rel(dir, path)
		nodes = append(nodes, Node{path, filepath.Join(containerPath, below), access})
		return err
	})
	if err == nil && len(nodes) == 0 {
		err = fmt.Errorf("no device in this directory: %w", errdefs.ErrInvalidArgument)
	}
	if err != nil {
		return nil, fmt.Errorf("device %s: %w", dir, err)
	}
	return nodes, nil
}

// accessOf turns permissions into what a guest may do.
func accessOf(permissions string) (string, error) {
	if strings.Trim(permissions, "rwm") != "" || len(permissions) > 3 {
		return "", fmt.Errorf("permissions %q: want some of r, w and m: %w", permissions, errdefs.ErrInvalidArgument)
	}
	var access string
	for _, one := range []string{"r", "w"} {
		if permissions == "" || strings.Contains(permissions, one) {
			access += one
		}
	}
	if access == "" {
		return "", fmt.Errorf("permissions %q: neither read nor write: %w", permissions, errdefs.ErrInvalidArgument)
	}
	return access, nil
}
