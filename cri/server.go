// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"

	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/cri/delegate"
	"github.com/wazelet/wazelet/cri/streaming"
	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/sandbox"
)

// Options are the parts a Server answers for.
type Options struct {
	Runtime   *runtime.Controller
	Sandboxes *sandbox.Controller
	Images    *imageservice.Service
	Streams   *streaming.Server

	// Version is Wazelet's own version, e.g. "v0.1.0".
	Version string
	// Handlers are the names a RuntimeClass may give, DefaultHandler the one
	// of them that a request without a handler gets.
	Handlers       []string
	DefaultHandler string
	// Upstream is the runtime that the pods of all other handlers are handed to; nil on
	// a node where every pod is WebAssembly.
	Upstream *delegate.Upstream
	// Hybrids are the handlers of pods that the upstream runtime makes and whose
	// containers are Wazelet's where their images are WebAssembly, each with the upstream
	// runtime's own handler.
	Hybrids map[string]string
	// CgroupDriver is told to the kubelet, which must use the same one.
	CgroupDriver cgroup.Driver
	// NoUserNamespaces says why pods cannot have user namespaces on this node
	// (hostUsers: false), or nil; it may have to find out first. Without it they
	// are offered.
	NoUserNamespaces func(context.Context) error
	// Check compares the image store with its digests and repairs it, for
	// `wazelet image check`.
	Check func(ctx context.Context, repair bool) (imageservice.Report, error)
	// Info is what a verbose Status shows beside the conditions: each key with
	// its value as JSON, e.g. "config" and "versions".
	Info map[string]any
}

// Server is the CRI endpoint of the node. The caller closes it.
type Server struct {
	meter   *meter
	runtime runtimeapi.RuntimeServiceServer
	images  runtimeapi.ImageServiceServer
	store   *storeService
}

// New makes the endpoint. It holds no state of its own but what it has measured and
// encoded.
func New(o Options) *Server {
	h := newHandlers(o.Handlers, o.DefaultHandler, o.NoUserNamespaces)
	meter := newMeter(o)
	containers := newContainerService(o)
	s := &Server{
		meter: meter,
		runtime: &runtimeService{
			podService:         newPodService(h, o),
			containerService:   containers,
			eventService:       eventService{containers: containers},
			portForwardService: portForwardService{sandboxes: o.Sandboxes, streams: o.Streams},
			commandService:     commandService{runtime: o.Runtime, streams: o.Streams},
			statsService:       statsService{sandboxes: o.Sandboxes, runtime: o.Runtime, meter: meter},
			statusService: statusService{
				handlers: h, sandboxes: o.Sandboxes,
				version: o.Version, driver: o.CgroupDriver, info: o.Info,
			},
		},
		images: &imageService{handlers: h, images: o.Images, runtime: o.Runtime},
		store:  &storeService{check: o.Check},
	}
	if o.Upstream != nil {
		router := delegate.NewRouter(localSide(o, s), o.Upstream)
		s.runtime, s.images = router, router.Images()
	}
	return s
}

// Close ends what the endpoint does beside its calls, before the parts that it
// answers for are closed.
func (s *Server) Close() { s.meter.background.close() }

// Register adds both CRI services, and the one of our own, to a gRPC server made with [Interceptors].
func (s *Server) Register(r grpc.ServiceRegistrar) {
	runtimeapi.RegisterRuntimeServiceServer(r, s.runtime)
	runtimeapi.RegisterImageServiceServer(r, s.images)
	r.RegisterService(&storeServiceDesc, s.store)
}

// runtimeService puts the groups of RPCs together. The Unsafe interface, unlike
// the Unimplemented struct, makes an RPC that a new cri-api adds a compile
// error instead of a silent refusal.
type runtimeService struct {
	runtimeapi.UnsafeRuntimeServiceServer

	podService
	containerService
	statsService
	statusService
	portForwardService
	commandService
	checkpointService
	eventService
}
