// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"context"
	"maps"
	"slices"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// upstreamReady is the type of the condition that tells whether the upstream runtime
// answers. It is Wazelet's own; the kubelet passes conditions that it does not know.
const upstreamReady = "UpstreamReady"

// Version is Wazelet's own: the kubelet makes the scheme of all container ids of it.
func (r *Router) Version(ctx context.Context, q *runtimeapi.VersionRequest) (*runtimeapi.VersionResponse, error) {
	return r.local.Runtime.Version(ctx, q)
}

// Status is the node's: it is ready when Wazelet is, whatever becomes of the upstream
// runtime, because a node that is not ready lets no pod of either side start. Whether
// the upstream runtime is ready is a condition of its own. The network is ready when
// both say so.
func (r *Router) Status(ctx context.Context, q *runtimeapi.StatusRequest) (*runtimeapi.StatusResponse, error) {
	ours, theirs, err := both(ctx, r.local.Runtime.Status, q, func() (*runtimeapi.StatusResponse, error) { return r.upstreamStatus(ctx, q), nil })
	if err != nil {
		return nil, err
	}
	status := ours.GetStatus()
	status.Conditions = append(status.Conditions, r.upstreamCondition(theirs))
	for _, c := range theirs.GetStatus().GetConditions() {
		at := slices.IndexFunc(status.Conditions, func(own *runtimeapi.RuntimeCondition) bool { return own.GetType() == c.GetType() })
		switch {
		case c.GetType() == runtimeapi.RuntimeReady:
		case at < 0:
			status.Conditions = append(status.Conditions, c)
		case status.Conditions[at].GetStatus() && !c.GetStatus():
			status.Conditions[at] = c
		}
	}
	ours.RuntimeHandlers = r.handlers(ours.GetRuntimeHandlers(), theirs.GetRuntimeHandlers())
	ours.Features = features(ours.GetFeatures(), theirs)
	for key, value := range theirs.GetInfo() {
		if ours.Info == nil {
			ours.Info = map[string]string{}
		}
		if _, own := ours.Info[key]; own {
			key = "upstream." + key
		}
		ours.Info[key] = value
	}
	return ours, nil
}

// upstreamStatus is the upstream runtime's, as last seen when it is away; nil when it
// was never seen.
func (r *Router) upstreamStatus(ctx context.Context, q *runtimeapi.StatusRequest) *runtimeapi.StatusResponse {
	answer, err := ask(ctx, r.up, readPatience, r.up.runtime.Status, q, func() (*runtimeapi.StatusResponse, bool) {
		return kept[*runtimeapi.StatusResponse](r.up.mirror, "Status")
	})
	if err != nil {
		last, _ := kept[*runtimeapi.StatusResponse](r.up.mirror, "Status")
		return last // what its handlers offer does not end with lastKnown
	}
	r.up.mirror.keep("Status", &runtimeapi.StatusResponse{
		Status: answer.GetStatus(), RuntimeHandlers: answer.GetRuntimeHandlers(), Features: answer.GetFeatures(),
	})
	return answer
}

func (r *Router) upstreamCondition(theirs *runtimeapi.StatusResponse) *runtimeapi.RuntimeCondition {
	if cause, _, _ := r.up.health.why(); cause != nil {
		return &runtimeapi.RuntimeCondition{Type: upstreamReady, Reason: "UpstreamAway", Message: cause.Error()}
	}
	for _, c := range theirs.GetStatus().GetConditions() {
		if c.GetType() == runtimeapi.RuntimeReady && !c.GetStatus() {
			return &runtimeapi.RuntimeCondition{Type: upstreamReady, Reason: c.GetReason(), Message: c.GetMessage()}
		}
	}
	return &runtimeapi.RuntimeCondition{Type: upstreamReady, Status: true}
}

// handlers are those of both, with what each offers. "" offers what the default
// handler does.
func (r *Router) handlers(ours, theirs []*runtimeapi.RuntimeHandler) []*runtimeapi.RuntimeHandler {
	byName := map[string]*runtimeapi.RuntimeHandler{}
	for _, h := range theirs {
		byName[h.GetName()] = h
	}
	for _, h := range ours {
		if r.own[h.GetName()] {
			byName[h.GetName()] = h
		}
	}
	fallback := byName[r.local.DefaultHandler]
	if !r.isOwn("") { // "" is passed on, and means what upstream means by it
		fallback = byName[""]
	}
	byName[""] = &runtimeapi.RuntimeHandler{Features: fallback.GetFeatures()}
	list := make([]*runtimeapi.RuntimeHandler, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		list = append(list, byName[name])
	}
	return list
}

// features are promises about all pods. What only one side keeps is not promised,
// but for user namespaces on the node's network: Wazelet refuses such a pod, and
// promising it takes nothing from anybody.
func features(ours *runtimeapi.RuntimeFeatures, theirs *runtimeapi.StatusResponse) *runtimeapi.RuntimeFeatures {
	if theirs == nil {
		return ours
	}
	f := theirs.GetFeatures()
	return &runtimeapi.RuntimeFeatures{
		SupplementalGroupsPolicy:  ours.GetSupplementalGroupsPolicy() && f.GetSupplementalGroupsPolicy(),
		MountOptions:              ours.GetMountOptions() && f.GetMountOptions(),
		UserNamespacesHostNetwork: f.GetUserNamespacesHostNetwork(),
	}
}

// RuntimeConfig is Wazelet's: the upstream runtime's is the same, or it is not used.
func (r *Router) RuntimeConfig(ctx context.Context, q *runtimeapi.RuntimeConfigRequest) (*runtimeapi.RuntimeConfigResponse, error) {
	return r.local.Runtime.RuntimeConfig(ctx, q)
}

// UpdateRuntimeConfig tells both sides of the node's pod network. The kubelet asks
// again until it is done.
func (r *Router) UpdateRuntimeConfig(ctx context.Context, q *runtimeapi.UpdateRuntimeConfigRequest) (*runtimeapi.UpdateRuntimeConfigResponse, error) {
	if _, err := r.local.Runtime.UpdateRuntimeConfig(ctx, q); err != nil {
		return nil, err
	}
	return forward(ctx, r.up, r.up.runtime.UpdateRuntimeConfig, q)
}
