// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/sandbox"
)

// HybridAnnotation is on the sandboxes of hybrid pods, which are the upstream runtime's:
// it names the handler, and tells them from other pods after a restart of either daemon.
const HybridAnnotation = "wazelet.dev/hybrid-handler"

// Hybrid is what Wazelet does in pods of the upstream runtime's.
type Hybrid struct {
	// Handlers are those of hybrid pods, each with the upstream runtime's handler.
	Handlers map[string]string
	// Adopted says whether Wazelet has containers of its own in a pod.
	Adopted func(sandboxID string) bool
	// List are the ids of the pods in which it has.
	List func() []string
	// Adopt takes a pod in, so that it can have some.
	Adopt func(ctx context.Context, pod sandbox.Foreign, handler string, config *runtimeapi.PodSandboxConfig) error
	// IsWasm says whether an image in Wazelet's store is WebAssembly, and whether it is
	// there at all.
	IsWasm func(ctx context.Context, ref string) (wasm, here bool)
	// Look says whether an image in a registry is WebAssembly.
	Look func(ctx context.Context, q *runtimeapi.PullImageRequest) (bool, error)
}

// runHybrid makes the sandbox of a hybrid pod, upstream.
func (r *Router) runHybrid(ctx context.Context, q *runtimeapi.RunPodSandboxRequest) (*runtimeapi.RunPodSandboxResponse, error) {
	handler := r.handlerOf(q.GetRuntimeHandler())
	theirs := proto.CloneOf(q)
	theirs.RuntimeHandler = r.local.Hybrid.Handlers[handler]
	if theirs.Config == nil {
		theirs.Config = &runtimeapi.PodSandboxConfig{}
	}
	theirs.Config.Annotations = maps.Clone(theirs.Config.Annotations)
	if theirs.Config.Annotations == nil {
		theirs.Config.Annotations = map[string]string{}
	}
	theirs.Config.Annotations[HybridAnnotation] = handler
	return r.runThere(ctx, theirs)
}

// hybrid is the handler of a hybrid pod, by its sandbox; "" when it is none.
func (r *Router) hybrid(sandboxID string) string {
	if len(r.local.Hybrid.Handlers) == 0 {
		return ""
	}
	list, _ := r.up.mirror.sandboxList()
	for _, sb := range list {
		if strings.HasPrefix(sb.GetId(), sandboxID) {
			return r.hybridHandler(sb)
		}
	}
	return ""
}

func (r *Router) hybridHandler(sb *runtimeapi.PodSandbox) string {
	handler := sb.GetAnnotations()[HybridAnnotation]
	if _, known := r.local.Hybrid.Handlers[handler]; known {
		return handler
	}
	return ""
}

// createHybrid makes a container of a hybrid pod on the side that its image says.
func (r *Router) createHybrid(ctx context.Context, handler string, q *runtimeapi.CreateContainerRequest) (*runtimeapi.CreateContainerResponse, error) {
	wasm, err := r.isWasm(ctx, q.GetConfig().GetImage().GetImage())
	if err != nil {
		return nil, err
	}
	if !wasm {
		return r.createThere(ctx, q)
	}
	if err := r.adopt(ctx, handler, q); err != nil {
		return nil, err
	}
	return r.createHere(ctx, q)
}

// adopt has Wazelet take the pod in that a container is made in.
func (r *Router) adopt(ctx context.Context, handler string, q *runtimeapi.CreateContainerRequest) error {
	if r.local.Hybrid.Adopted(q.GetPodSandboxId()) {
		return nil
	}
	status, err := forward(ctx, r.up, r.up.runtime.PodSandboxStatus, &runtimeapi.PodSandboxStatusRequest{PodSandboxId: q.GetPodSandboxId(), Verbose: true})
	if err != nil {
		return err
	}
	pod, err := foreign(status)
	if err != nil {
		return err
	}
	if err := r.local.Hybrid.Adopt(ctx, pod, handler, q.GetSandboxConfig()); err != nil {
		return err
	}
	log.G(ctx).WithField("sandbox_id", pod.ID).WithField("netns", pod.NetNS).Info("pod of the upstream runtime adopted")
	return nil
}

// sandboxInfo is what containerd and CRI-O tell of a sandbox when they are asked to be
// verbose (Info["info"]).
type sandboxInfo struct {
	Pid         int `json:"pid"`
	RuntimeSpec struct {
		Linux struct {
			Namespaces []struct {
				Type string `json:"type"`
				Path string `json:"path"`
			} `json:"namespaces"`
		} `json:"linux"`
	} `json:"runtimeSpec"`
}

// foreign reads where a pod's network namespace is.
func foreign(r *runtimeapi.PodSandboxStatusResponse) (sandbox.Foreign, error) {
	s := r.GetStatus()
	pod := sandbox.Foreign{ID: s.GetId(), CreatedAt: time.Unix(0, s.GetCreatedAt())}
	if s.GetState() != runtimeapi.PodSandboxState_SANDBOX_READY {
		return pod, fmt.Errorf("sandbox %s: has been stopped: %w", s.GetId(), errdefs.ErrFailedPrecondition)
	}
	if s.GetLinux().GetNamespaces().GetOptions().GetNetwork() == runtimeapi.NamespaceMode_NODE {
		return pod, nil
	}
	if ip := s.GetNetwork().GetIp(); ip != "" {
		pod.IPs = append(pod.IPs, ip)
	}
	for _, more := range s.GetNetwork().GetAdditionalIps() {
		pod.IPs = append(pod.IPs, more.GetIp())
	}
	var info sandboxInfo
	if err := json.Unmarshal([]byte(r.GetInfo()["info"]), &info); err != nil {
		return pod, fmt.Errorf("sandbox %s: the upstream runtime does not tell where its network namespace is: %w", s.GetId(), errdefs.ErrNotImplemented)
	}
	for _, ns := range info.RuntimeSpec.Linux.Namespaces {
		if ns.Type == "network" {
			pod.NetNS = ns.Path
		}
	}
	if pod.NetNS == "" && info.Pid > 0 {
		pod.NetNS = fmt.Sprintf("/proc/%d/ns/net", info.Pid)
	}
	if pod.NetNS == "" {
		return pod, fmt.Errorf("sandbox %s: the upstream runtime does not tell where its network namespace is: %w", s.GetId(), errdefs.ErrNotImplemented)
	}
	return pod, nil
}

// endAdopted does to what Wazelet has in a pod what is about to be done to the pod.
func endAdopted[Q, A any](ctx context.Context, r *Router, sandboxID string, end func(context.Context, Q) (A, error), q Q) error {
	if r.local.Hybrid.Adopted == nil || !r.local.Hybrid.Adopted(sandboxID) {
		return nil
	}
	_, err := end(ctx, q)
	return err
}

// endStranded ends what Wazelet has in pods that are gone upstream, as when somebody
// removed them without the node.
func (r *Router) endStranded(ctx context.Context) {
	list, known := r.up.mirror.sandboxList()
	if !known {
		return
	}
	there := make(map[string]bool, len(list))
	for _, sb := range list {
		there[sb.GetId()] = true
	}
	for _, id := range r.local.Hybrid.List() {
		if there[id] {
			continue
		}
		logger := log.G(ctx).WithField("sandbox_id", id)
		if _, err := r.local.Runtime.RemovePodSandbox(ctx, &runtimeapi.RemovePodSandboxRequest{PodSandboxId: id}); err != nil {
			logger.WithError(err).Warn("what is left of a pod that the upstream runtime has no more cannot be removed")
			continue
		}
		logger.Info("pod is gone upstream; its Wasm containers were removed")
	}
}
