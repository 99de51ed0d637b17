// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
)

// index answers every question about which images there are from memory: the kubelet asks twice per container. It
// mirrors the names in the content store; the service changes both under one lock.
type index struct {
	mu     sync.RWMutex
	images map[string]Image  // by id, with their names
	names  map[string]string // tag and digest names to ids
	pinned map[string]bool   // names that make an image pinned
}

// newIndex returns an empty index. Names of pinned that no image can have are left out.
func newIndex(pinned ...string) *index {
	x := &index{images: make(map[string]Image), names: make(map[string]string), pinned: make(map[string]bool)}
	for _, name := range pinned {
		if named, err := parseRef(name); err == nil {
			x.pinned[named.String()] = true
		}
	}
	return x
}

// shown is the image as it is handed out.
func (x *index) shown(image Image) Image {
	image = image.clone()
	image.Pinned = slices.ContainsFunc(image.names(), func(name string) bool { return x.pinned[name] })
	return image
}

// put adds or replaces an image and points names at it, away from what they pointed at.
func (x *index) put(image Image, names ...string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	before := x.images[image.ID]
	image.Tags, image.Digests = before.Tags, before.Digests
	for _, name := range names {
		if other, ok := x.images[x.names[name]]; ok && other.ID != image.ID {
			x.images[other.ID] = other.without(name)
		}
		x.names[name] = image.ID
		image = image.with(name)
	}
	x.images[image.ID] = image
}

// drop removes an image and all its names.
func (x *index) drop(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, name := range x.images[id].names() {
		delete(x.names, name)
	}
	delete(x.images, id)
}

// list returns all images, by id.
func (x *index) list() []Image {
	x.mu.RLock()
	defer x.mu.RUnlock()
	list := make([]Image, 0, len(x.images))
	for _, image := range x.images {
		list = append(list, x.shown(image))
	}
	slices.SortFunc(list, func(a, b Image) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// wants tells whether an image has the files of chain: the empty chain is that of modules.
func (x *index) wants(chain digest.Digest) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, image := range x.images {
		if image.chain == chain {
			return true
		}
	}
	return false
}

// find resolves an id, a name as users write it, or the beginning of an id, in this order.
func (x *index) find(ref string) (Image, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	id, err := x.resolve(ref)
	if err != nil {
		return Image{}, err
	}
	return x.shown(x.images[id]), nil
}

func (x *index) resolve(ref string) (string, error) {
	hex, isPrefix := idPrefix(ref)
	if isPrefix {
		if id := digest.Canonical.String() + ":" + hex; x.has(id) {
			return id, nil
		}
	}
	if x.has(ref) { // an id of another digest algorithm
		return ref, nil
	}
	named, err := parseRef(ref)
	if err == nil {
		if id, ok := x.names[named.String()]; ok {
			return id, nil
		}
	}
	if isPrefix {
		return x.byPrefix(digest.Canonical.String() + ":" + hex)
	}
	if err != nil {
		return "", err
	}
	return "", errAbsent
}

// errAbsent is for references no image has.
var errAbsent = &Error{Text: "not found on this node", Class: errdefs.ErrNotFound}

func (x *index) has(id string) bool {
	_, ok := x.images[id]
	return ok
}

func (x *index) byPrefix(prefix string) (string, error) {
	var found []string
	for id := range x.images {
		if strings.HasPrefix(id, prefix) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return "", errAbsent
	case 1:
		return found[0], nil
	}
	return "", &Error{
		Text:  fmt.Sprintf("%d images have ids that begin like this", len(found)),
		Class: errdefs.ErrInvalidArgument,
	}
}

// names returns the image's tags and digests.
func (i Image) names() []string { return slices.Concat(i.Tags, i.Digests) }

// with returns the image with one name more. Lists are replaced, never changed: others may be reading them.
func (i Image) with(name string) Image {
	list := &i.Tags
	if isDigestName(name) {
		list = &i.Digests
	}
	if at, found := slices.BinarySearch(*list, name); !found {
		*list = slices.Insert(slices.Clone(*list), at, name)
	}
	return i
}

// without returns the image with one name less.
func (i Image) without(name string) Image {
	is := func(other string) bool { return other == name }
	i.Tags = slices.DeleteFunc(slices.Clone(i.Tags), is)
	i.Digests = slices.DeleteFunc(slices.Clone(i.Digests), is)
	return i
}
