// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Kind tells what an image holds.
type Kind string

// Kinds of images.
const (
	KindFiles  Kind = "files"  // layers that are file trees, as in any container image
	KindModule Kind = "module" // one WebAssembly binary
)

// Image is one image of the store.
type Image struct {
	// ID is the digest of the image's configuration, the same in every API. An artifact whose configuration does not
	// name its module, so that other modules could have it too, has the digest of its manifest instead.
	ID       string
	Manifest digest.Digest // of the platform this node took
	Tags     []string      // name:tag, fully qualified, sorted
	Digests  []string      // name@digest, fully qualified, sorted
	Size     int64         // bytes of manifest, configuration and layers, as they were transferred
	Kind     Kind
	Format   Format
	Platform string // os/architecture of the configuration, "wasi/wasm"; "" when it has none

	// From the configuration of a container image, empty for an artifact.
	Entrypoint, Cmd, Env []string
	WorkingDir           string
	User                 string // "user", "uid", "user:group" …
	StopSignal           string
	Labels               map[string]string
	Volumes              []string // sorted

	Module *Module // of an image of kind KindModule
	// Program is the digest of the module that runs when nobody says otherwise, as Options.Prepare has found it; "" when
	// there is none.
	Program digest.Digest
	Pinned  bool // the kubelet's image collection must not remove it

	chain digest.Digest // chain id of all layers; "" for an image without files
}

// Module is the WebAssembly binary of an artifact.
type Module struct {
	Digest digest.Digest
	Size   int64
	Name   string // file name under which the guest sees it
}

// RunsAs returns the user of the image as the CRI wants it: a uid, or a name that LookupUser finds the uid of, or
// neither when the image does not say.
func (i Image) RunsAs() (uid *int64, username string) {
	name, _, _ := strings.Cut(i.User, ":")
	if n, err := strconv.ParseInt(name, 10, 64); err == nil {
		return &n, ""
	}
	return nil, name
}

// clone returns a copy that shares nothing with the store's own.
func (i Image) clone() Image {
	i.Tags, i.Digests = slices.Clone(i.Tags), slices.Clone(i.Digests)
	i.Entrypoint, i.Cmd, i.Env = slices.Clone(i.Entrypoint), slices.Clone(i.Cmd), slices.Clone(i.Env)
	i.Labels, i.Volumes = maps.Clone(i.Labels), slices.Clone(i.Volumes)
	if i.Module != nil {
		module := *i.Module
		i.Module = &module
	}
	return i
}
