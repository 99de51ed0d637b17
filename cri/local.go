// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cri/delegate"
	"github.com/wazelet/wazelet/sandbox"
)

// localSide is what a router needs to know of Wazelet's own side. A pod that Wazelet
// has adopted is the upstream runtime's.
func localSide(o Options, s *Server) delegate.Local {
	return delegate.Local{
		Runtime: s.runtime, Images: s.images,
		Sandbox: func(id string) (string, error) {
			sb, err := o.Sandboxes.Get(id)
			if err == nil && sb.Adopted {
				return "", fmt.Errorf("sandbox %s: is the upstream runtime's: %w", sb.ID, errdefs.ErrNotFound)
			}
			return sb.ID, err
		},
		Container: func(id string) (string, error) {
			c, err := o.Runtime.Get(id)
			return c.ID, err
		},
		PodHandler: func(uid string) (string, bool) {
			for _, sb := range o.Sandboxes.List() {
				if sb.UID == uid && sb.State != sandbox.StateNotReady && !sb.Adopted {
					return sb.Handler, true
				}
			}
			return "", false
		},
		TakeImage: takeImage(o.Images),
		Handlers:  o.Handlers, DefaultHandler: o.DefaultHandler,
		Hybrid: hybridSide(o),
	}
}

// hybridSide is what Wazelet does in pods of the upstream runtime's.
func hybridSide(o Options) delegate.Hybrid {
	return delegate.Hybrid{
		Handlers: o.Hybrids,
		Adopted: func(id string) bool {
			sb, err := o.Sandboxes.Get(id)
			return err == nil && sb.Adopted
		},
		List: func() (ids []string) {
			for _, sb := range o.Sandboxes.List() {
				if sb.Adopted {
					ids = append(ids, sb.ID)
				}
			}
			return ids
		},
		Adopt: func(ctx context.Context, pod sandbox.Foreign, handler string, config *runtimeapi.PodSandboxConfig) error {
			c, err := sandboxConfig(config, handler)
			if err != nil {
				return err
			}
			_, err = o.Sandboxes.Adopt(ctx, pod, c)
			return err
		},
		IsWasm: func(ctx context.Context, ref string) (wasm, here bool) {
			image, err := o.Images.Get(ctx, ref)
			return err == nil && image.IsWasm(), err == nil
		},
		Look: func(ctx context.Context, q *runtimeapi.PullImageRequest) (bool, error) {
			if err := requireImage("image", q.GetImage()); err != nil {
				return false, err
			}
			credentials, err := auth(q.GetAuth())
			if err != nil {
				return false, err
			}
			image, err := o.Images.Look(ctx, q.GetImage().GetImage(), credentials)
			return err == nil && image.IsWasm(), err
		},
	}
}
