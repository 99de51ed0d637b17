// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/sandbox"
)

// podService answers the RPCs on pod sandboxes.
type podService struct {
	handlers  handlers
	sandboxes *sandbox.Controller
	runtime   *runtime.Controller
	listed    *encodings[sandbox.Sandbox]
}

func newPodService(h handlers, o Options) podService {
	return podService{
		handlers: h, sandboxes: o.Sandboxes, runtime: o.Runtime,
		listed: newEncodings(func(sb *sandbox.Sandbox) proto.Message {
			if !inList(sb) {
				return nil
			}
			return sandboxItem(sb)
		}),
	}
}

// RunPodSandbox makes a pod's network and shared files. Repeated with the same
// metadata it returns the same sandbox.
func (s podService) RunPodSandbox(ctx context.Context, r *runtimeapi.RunPodSandboxRequest) (*runtimeapi.RunPodSandboxResponse, error) {
	handler, err := s.handlers.resolve(r.GetRuntimeHandler())
	if err != nil {
		return nil, err
	}
	config, err := sandboxConfig(r.GetConfig(), handler)
	if err != nil {
		return nil, err
	}
	if len(config.NamespaceOptions.UIDs) > 0 {
		if err := s.handlers.noUserNS(ctx); err != nil {
			return nil, fmt.Errorf("sandbox %s: hostUsers: false: %w", config.Metadata, err)
		}
	}
	sb, err := s.sandboxes.Create(ctx, config)
	if err != nil {
		return nil, err
	}
	return &runtimeapi.RunPodSandboxResponse{PodSandboxId: sb.ID}, nil
}

// StopPodSandbox ends a pod's containers and takes its network down; an absent
// pod is stopped.
func (s podService) StopPodSandbox(ctx context.Context, r *runtimeapi.StopPodSandboxRequest) (*runtimeapi.StopPodSandboxResponse, error) {
	if err := requireID("pod_sandbox_id", r.GetPodSandboxId()); err != nil {
		return nil, err
	}
	if err := absentIsDone(ctx, s.runtime.StopSandbox(ctx, r.GetPodSandboxId())); err != nil {
		return nil, err
	}
	return &runtimeapi.StopPodSandboxResponse{}, nil
}

// RemovePodSandbox removes a pod and its containers, whatever they do; an
// absent pod is removed.
func (s podService) RemovePodSandbox(ctx context.Context, r *runtimeapi.RemovePodSandboxRequest) (*runtimeapi.RemovePodSandboxResponse, error) {
	if err := requireID("pod_sandbox_id", r.GetPodSandboxId()); err != nil {
		return nil, err
	}
	if err := absentIsDone(ctx, s.runtime.RemoveSandbox(ctx, r.GetPodSandboxId())); err != nil {
		return nil, err
	}
	return &runtimeapi.RemovePodSandboxResponse{}, nil
}

// PodSandboxStatus shows one pod. The container statuses and the timestamp of
// the response stay empty: with a timestamp, a kubelet with evented PLEG would
// take the statuses for those of all sandboxes of the pod and ask for no others.
func (s podService) PodSandboxStatus(_ context.Context, r *runtimeapi.PodSandboxStatusRequest) (*runtimeapi.PodSandboxStatusResponse, error) {
	sb, err := shownSandbox(s.sandboxes, r.GetPodSandboxId())
	if err != nil {
		return nil, err
	}
	resp := &runtimeapi.PodSandboxStatusResponse{Status: sandboxStatus(sb)}
	if r.GetVerbose() {
		resp.Info, err = verboseInfo(sb)
	}
	return resp, err
}

// ListPodSandbox lists the pods that match, encoded: see [encodings].
func (s podService) ListPodSandbox(_ context.Context, r *runtimeapi.ListPodSandboxRequest) (*runtimeapi.ListPodSandboxResponse, error) {
	resp := &runtimeapi.ListPodSandboxResponse{}
	return resp, s.listed.answer(resp, s.sandboxes.Snapshot(), sandboxFilter(r.GetFilter()))
}

// inList says whether a sandbox is in a list. Adopted ones are in the list of the runtime
// whose they are.
func inList(sb *sandbox.Sandbox) bool { return sb.State != sandbox.StateCreating && !sb.Adopted }

// UpdatePodSandboxResources is told of a resize that the kubelet makes in the
// pod's cgroup, which is the kubelet's. It is written down with the sandbox and
// shown in its verbose status; a Wasm pod has no process of its own that would
// have to follow.
func (s podService) UpdatePodSandboxResources(ctx context.Context, r *runtimeapi.UpdatePodSandboxResourcesRequest) (*runtimeapi.UpdatePodSandboxResourcesResponse, error) {
	sb, err := shownSandbox(s.sandboxes, r.GetPodSandboxId())
	if err != nil {
		return nil, err
	}
	var update sandbox.Resources
	if update.Overhead, err = optionalResources("overhead", r.GetOverhead()); err != nil {
		return nil, err
	}
	if update.Resources, err = optionalResources("resources", r.GetResources()); err != nil {
		return nil, err
	}
	if err := s.sandboxes.UpdateResources(ctx, sb.ID, update); err != nil {
		return nil, err
	}
	return &runtimeapi.UpdatePodSandboxResourcesResponse{}, nil
}

// shownSandbox finds a sandbox that a client may know of: one that is still
// being made has not been given to anybody.
func shownSandbox(sandboxes *sandbox.Controller, id string) (sandbox.Sandbox, error) {
	if err := requireID("pod_sandbox_id", id); err != nil {
		return sandbox.Sandbox{}, err
	}
	sb, err := sandboxes.Get(id)
	if err != nil {
		return sandbox.Sandbox{}, err
	}
	if sb.State == sandbox.StateCreating {
		return sandbox.Sandbox{}, fmt.Errorf("sandbox %s: is still being created: %w", sb.ID, errdefs.ErrNotFound)
	}
	return sb, nil
}
