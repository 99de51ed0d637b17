// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/containerd/log"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/imageservice"
)

// pullHybrid fetches an image for a hybrid pod, into the store of the side that will
// run it. What Wazelet cannot make out is the upstream runtime's to pull or to refuse.
func (r ImageRouter) pullHybrid(ctx context.Context, q *runtimeapi.PullImageRequest) (*runtimeapi.PullImageResponse, error) {
	wasm, err := r.local.Hybrid.Look(ctx, q)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		log.G(ctx).WithError(err).WithField("image_ref", q.GetImage().GetImage()).Info("image is not WebAssembly as far as can be seen; it is pulled upstream")
	}
	if wasm {
		return r.local.Images.PullImage(ctx, q)
	}
	return r.pullThere(ctx, q)
}

// isWasm says which side runs an image.
func (r *Router) isWasm(ctx context.Context, ref string) (bool, error) {
	wasm, here := r.local.Hybrid.IsWasm(ctx, ref)
	if wasm {
		return true, nil
	}
	request := imageStatus(ref)
	request.Verbose = true
	there, err := r.up.images.ImageStatus(passOn(ctx), request)
	switch {
	case err != nil:
		return false, asItIs(err)
	case here && there.GetImage() == nil:
		return false, nil // ours, for an image volume perhaps: upstream pulls it
	}
	// Of an index that has both, Wazelet's entry was pulled for such a pod.
	if name, ok := nameOfImage(there.GetImage(), ""); ok {
		if wasm, _ := r.local.Hybrid.IsWasm(ctx, name); wasm {
			return true, nil
		}
	}
	return runsWasm(there.GetInfo()["info"]), nil
}

// imageInfo is what containerd tells of an image when it is asked to be verbose
// (Info["info"]): its configuration.
type imageInfo struct {
	ImageSpec ocispec.Image `json:"imageSpec"`
}

// runsWasm says whether an image of the upstream runtime's is WebAssembly, by the same
// signs as one of Wazelet's own. Not to know is no.
func runsWasm(text string) bool {
	var info imageInfo
	if json.Unmarshal([]byte(text), &info) != nil {
		return false
	}
	spec := info.ImageSpec
	return strings.HasPrefix(spec.Architecture, "wasm") || imageservice.RunsWasm(spec.Config.Entrypoint, spec.Config.Cmd)
}
