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
	images map[string]Image  // by id, without names
	names  map[string]string // tag and digest names to ids
}

func newIndex() *index {
	return &index{images: make(map[string]Image), names: make(map[string]string)}
}

// put adds or replaces an image and points names at it, away from what they pointed at.
func (x *index) put(image Image, names ...string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.images[image.ID] = image
	for _, name := range names {
		x.names[name] = image.ID
	}
}

// drop removes an image and all its names.
func (x *index) drop(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.images, id)
	for name, of := range x.names {
		if of == id {
			delete(x.names, name)
		}
	}
}

// list returns all images, by id.
func (x *index) list() []Image {
	x.mu.RLock()
	defer x.mu.RUnlock()
	names := make(map[string][]string, len(x.images))
	for name, id := range x.names {
		names[id] = append(names[id], name)
	}
	list := make([]Image, 0, len(x.images))
	for id, image := range x.images {
		list = append(list, image.named(names[id]))
	}
	slices.SortFunc(list, func(a, b Image) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// namesOf returns the tag and digest names of an image.
func (x *index) namesOf(id string) []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.namesLocked(id)
}

func (x *index) namesLocked(id string) []string {
	var names []string
	for name, of := range x.names {
		if of == id {
			names = append(names, name)
		}
	}
	return names
}

// find resolves an id, a name as users write it, or the beginning of an id, in this order.
func (x *index) find(ref string) (Image, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	id, err := x.resolve(ref)
	if err != nil {
		return Image{}, err
	}
	return x.images[id].named(x.namesLocked(id)), nil
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

// named returns a copy of the image with its names.
func (i Image) named(names []string) Image {
	i = i.clone()
	i.Tags, i.Digests = nil, nil
	for _, name := range names {
		if isDigestName(name) {
			i.Digests = append(i.Digests, name)
		} else {
			i.Tags = append(i.Tags, name)
		}
	}
	slices.Sort(i.Tags)
	slices.Sort(i.Digests)
	return i
}
