// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"

	"github.com/containerd/errdefs"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// unsupported is the answer of an RPC that is not served. The kubelet knows
// Unimplemented for each of them and does without, or tells the user the text.
func unsupported(method, why string) error {
	return errdefs.ErrNotImplemented.WithMessage(method + ": " + why)
}

const (
	whyNoCheckpoint = "the state of a Wasm guest cannot be written down"
)

// checkpointService answers the RPCs that save and restore containers.
type checkpointService struct{}

// CheckpointContainer is not served.
func (checkpointService) CheckpointContainer(context.Context, *runtimeapi.CheckpointContainerRequest) (*runtimeapi.CheckpointContainerResponse, error) {
	return nil, unsupported("CheckpointContainer", whyNoCheckpoint)
}

// CheckpointPod is not served.
func (checkpointService) CheckpointPod(context.Context, *runtimeapi.CheckpointPodRequest) (*runtimeapi.CheckpointPodResponse, error) {
	return nil, unsupported("CheckpointPod", whyNoCheckpoint)
}

// RestorePod is not served.
func (checkpointService) RestorePod(context.Context, *runtimeapi.RestorePodRequest) (*runtimeapi.RestorePodResponse, error) {
	return nil, unsupported("RestorePod", whyNoCheckpoint)
}
