// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"context"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/record"
)

// fullID is the length of a whole id; a shorter one is the beginning of one, as
// people give it to crictl.
const fullID = 64

// Local is Wazelet's own side.
type Local struct {
	// Runtime's lists of pods and containers may have their items encoded, as fields
	// that the answer does not know; those of the upstream runtime are appended.
	Runtime runtimeapi.RuntimeServiceServer
	Images  runtimeapi.ImageServiceServer

	// Sandbox and Container find what is Wazelet's own by its id or the beginning of
	// it: the whole id, or an error of the class ErrNotFound when there is none.
	Sandbox   func(id string) (string, error)
	Container func(id string) (string, error)
	// PodHandler is the handler of the sandbox of Wazelet's own that a pod has now, by
	// the pod's UID.
	PodHandler func(uid string) (handler string, ok bool)
	// TakeImage gets an image from the upstream runtime's own store, through the
	// connection to it; nil, or an error where the runtime gives nothing out, leaves the
	// image's registry.
	TakeImage func(ctx context.Context, image *runtimeapi.Image, upstream grpc.ClientConnInterface) error

	// Handlers are those that Wazelet answers for itself; DefaultHandler is what a
	// request without a handler means. Every other one is the upstream runtime's.
	Handlers       []string
	DefaultHandler string

	Hybrid Hybrid
}

// Router answers CRI's RPCs from both sides.
type Router struct {
	runtimeapi.UnsafeRuntimeServiceServer

	local Local
	own   map[string]bool // Local.Handlers
	up    *Upstream
}

// NewRouter puts the two sides together.
func NewRouter(local Local, up *Upstream) *Router {
	r := &Router{local: local, own: map[string]bool{}, up: up}
	for _, name := range local.Handlers {
		r.own[name] = true
	}
	if up != nil && local.Hybrid.List != nil {
		looked := r.endStranded
		up.looked.Store(&looked)
	}
	return r
}

// handlerOf is the handler that a request means.
func (r *Router) handlerOf(name string) string {
	if name == "" {
		return r.local.DefaultHandler
	}
	return name
}

// isOwn says whether pods of a handler are Wazelet's.
func (r *Router) isOwn(handler string) bool { return r.own[r.handlerOf(handler)] }

// kind is what an id names.
type kind struct {
	name string
	own  func(id string) (string, error)
	// theirs are the ids upstream that begin so.
	theirs func(*mirror, string) []string
}

func (r *Router) sandbox() kind {
	return kind{name: "sandbox", own: r.local.Sandbox, theirs: func(m *mirror, prefix string) (ids []string) {
		list, _ := m.sandboxList()
		for _, sb := range list {
			if strings.HasPrefix(sb.GetId(), prefix) {
				ids = append(ids, sb.GetId())
			}
		}
		return ids
	}}
}

func (r *Router) container() kind {
	return kind{name: "container", own: r.local.Container, theirs: func(m *mirror, prefix string) (ids []string) {
		list, _ := m.containerList()
		for _, c := range list {
			if strings.HasPrefix(c.GetId(), prefix) {
				ids = append(ids, c.GetId())
			}
		}
		return ids
	}}
}

// isLocal says which side an id is on. What is nobody's goes upstream, whose word on
// it counts; but an id that bears Wazelet's mark and is not known to be upstream, where
// another Wazelet may be, is Wazelet's even when it is gone. A
// beginning that means one thing on each side is ErrInvalidArgument.
func (r *Router) isLocal(ctx context.Context, k kind, id string) (bool, error) {
	if id == "" {
		return true, nil // refused by the local side
	}
	_, err := k.own(id)
	own := !errdefs.IsNotFound(err) // found, or several that begin so
	if len(id) >= fullID {
		return own || record.Made(id) && len(k.theirs(r.up.mirror, id)) == 0, nil
	}
	if !own {
		return false, nil
	}
	if age := r.up.mirror.age(); age > readPatience {
		bounded, cancel := context.WithTimeout(ctx, readPatience)
		defer cancel()
		_ = r.up.refresh(bounded) // what is known must do
	}
	if theirs := k.theirs(r.up.mirror, id); len(theirs) > 0 {
		return false, fmt.Errorf("%s %s: several begin so, here and in the upstream runtime (%s): %w", k.name, id, theirs[0], errdefs.ErrInvalidArgument)
	}
	return true, nil
}
