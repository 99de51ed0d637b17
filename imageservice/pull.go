// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/log"
	"github.com/distribution/reference"

	"github.com/wazelet/wazelet/imageservice/registry"
	"github.com/wazelet/wazelet/observe"
)

// cleanupTime bounds what a failed pull does to leave nothing.
const cleanupTime = 30 * time.Second

// Pull fetches the image that ref names and returns it as Get then does. Calls for one image with the same credentials
// share one transfer. A pull that fails or that all callers gave up leaves no blob, layer, lease or name; when ctx ends
// first, its error is the cause. The errors are *Error, those of the policy with ErrRefused, or of Options.Prepare, after "image REF: ".
func (s *Service) Pull(ctx context.Context, ref string, auth *Auth) (Image, error) {
	named, err := parseRef(ref)
	if err != nil {
		return Image{}, about(ref, err)
	}
	key, err := pullKey(named, auth)
	if err != nil {
		return Image{}, about(ref, err)
	}
	image, err := s.pulls.do(ctx, key, func(ctx context.Context) (Image, error) {
		return s.pull(ctx, named, s.session(named, auth))
	})
	if err != nil {
		return Image{}, about(ref, err)
	}
	return image.clone(), nil
}

// pullKey is equal for pulls that may share a transfer. Credentials are part of it: who has none for a repository must
// not get its image by joining the pull of someone who has.
func pullKey(named reference.Named, auth *Auth) (string, error) {
	secret, err := json.Marshal(auth)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %x", named, sha256.Sum256(secret)), nil
}

// session is a conversation with the registry of an image.
func (s *Service) session(named reference.Named, auth *Auth) *registry.Session {
	return registry.Open(named, auth, registry.Options{HostsDir: s.opts.HostsDir, ProgressTimeout: s.opts.PullProgressTimeout})
}

// pull makes the image under a lease, and its names last. It closes the session.
func (s *Service) pull(ctx context.Context, named reference.Named, session source) (_ Image, err error) {
	defer session.Close()
	rule, err := s.admit(named)
	if err != nil {
		return Image{}, err
	}
	started := time.Now()
	logger := log.G(ctx).WithField("image_ref", named.String())
	held, release, err := s.content.Lease(log.WithLogger(ctx, logger), "pull")
	if err != nil {
		return Image{}, s.describe(err)
	}
	defer func() {
		if err := s.afterPull(ctx, release, err != nil); err != nil {
			logger.WithError(err).Warn("clean-up after a pull")
		}
	}()

	ended := observe.Pull()
	defer func() { ended(err) }()
	pulled, err := s.shown(held, session, func(ctx context.Context) (*pulled, error) { return s.transfer(ctx, session, named, rule) })
	if err != nil {
		return Image{}, s.ended(ctx, session, err)
	}
	if s.opts.Prepare != nil {
		err := observe.Do(held, observe.StepPrepare, func(ctx context.Context) (err error) {
			pulled.image.Program, err = s.opts.Prepare(ctx, s, pulled.image)
			return err
		})
		if err != nil {
			return Image{}, s.ended(ctx, session, err)
		}
	}
	if err := s.trees.Sync(); err != nil {
		return Image{}, s.describe(err)
	}
	if err := s.record(held, pulled); err != nil {
		return Image{}, s.describe(err)
	}
	logger.WithField("image_id", pulled.image.ID).WithField("bytes", session.Received()).
		WithField("duration", time.Since(started)).Info("image pulled")
	return s.index.find(pulled.image.ID)
}

// ended returns why a pull failed: the end of its context before all that followed from it.
func (s *Service) ended(ctx context.Context, session source, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w after %d bytes", context.Cause(ctx), session.Received())
	}
	return s.describe(err)
}

// afterPull gives the lease back and, after a failure, removes what it held.
func (s *Service) afterPull(ctx context.Context, release func() error, failed bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	err := release()
	if failed {
		err = errors.Join(err, s.content.Collect(ctx))
	}
	return errors.Join(err, s.measure(ctx))
}
