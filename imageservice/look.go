// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"slices"
	"strings"

	"github.com/containerd/log"
)

// IsWasm says whether a container of the image is WebAssembly, as far as its manifest and its configuration tell: it is
// a module, it is for a Wasm platform, or the first word of what it runs is a .wasm file.
func (i Image) IsWasm() bool {
	if i.Kind == KindModule {
		return true
	}
	_, architecture, _ := strings.Cut(i.Platform, "/")
	return strings.HasPrefix(architecture, "wasm") || RunsWasm(i.Entrypoint, i.Cmd)
}

// RunsWasm says whether the command line of an image begins with a .wasm file, or with a function of one
// (path#export).
func RunsWasm(entrypoint, cmd []string) bool {
	words := slices.Concat(entrypoint, cmd)
	if len(words) == 0 {
		return false
	}
	file, _, _ := strings.Cut(words[0], "#")
	return strings.HasSuffix(file, ".wasm")
}

// Look tells what the image that ref names is, without its layers: what it fetches is its manifest and its configuration,
// which it does not keep. The errors are those of Pull.
func (s *Service) Look(ctx context.Context, ref string, auth *Auth) (_ Image, err error) {
	named, err := parseRef(ref)
	if err != nil {
		return Image{}, about(ref, err)
	}
	rule, err := s.admit(named)
	if err != nil {
		return Image{}, about(ref, err)
	}
	held, release, err := s.content.Lease(ctx, "look")
	if err != nil {
		return Image{}, about(ref, s.describe(err))
	}
	defer func() {
		if err := s.afterPull(ctx, release, true); err != nil {
			log.G(ctx).WithError(err).WithField("image_ref", ref).Warn("clean-up after a look at an image")
		}
	}()
	session := s.session(named, auth)
	defer session.Close()
	top, err := session.Resolve(held)
	if err != nil {
		return Image{}, about(ref, s.ended(ctx, session, err))
	}
	pulled, err := s.read(held, session, named, rule, top)
	if err != nil {
		return Image{}, about(ref, s.ended(ctx, session, err))
	}
	return pulled.image, nil
}
