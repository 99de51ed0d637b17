// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/containerd/log"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// subscribeTime is how long a subscription upstream is given to be confirmed. An
// upstream runtime may confirm none before the first event.
const subscribeTime = 500 * time.Millisecond

// eventStream is a client's stream that both sides send to.
type eventStream struct {
	grpc.ServerStreamingServer[runtimeapi.ContainerEventResponse]
	ctx        context.Context
	mu         sync.Mutex
	subscribed chan struct{} // closed once the upstream runtime has been asked
	once       sync.Once
}

// upstreamSubscribed lets the client know.
func (s *eventStream) upstreamSubscribed() { s.once.Do(func() { close(s.subscribed) }) }

func (s *eventStream) Context() context.Context { return s.ctx }

// SendHeader tells the client that it misses nothing from now on. The local side calls
// it when it has subscribed.
func (s *eventStream) SendHeader(md metadata.MD) error {
	select {
	case <-s.subscribed:
	case <-s.ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ServerStreamingServer.SendHeader(md)
}

// Send sends one event.
func (s *eventStream) Send(e *runtimeapi.ContainerEventResponse) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ServerStreamingServer.Send(e)
}

// GetContainerEvents sends the events of both sides until the client goes. Their order
// is kept for each container. When the upstream runtime was away, what changed meanwhile
// is told when it is back. An upstream runtime that tells no events at all answers for
// both: the kubelet then looks at the lists more often.
func (r *Router) GetContainerEvents(q *runtimeapi.GetEventsRequest, s grpc.ServerStreamingServer[runtimeapi.ContainerEventResponse]) error {
	ctx, cancel := context.WithCancelCause(s.Context())
	out := &eventStream{ServerStreamingServer: s, ctx: ctx, subscribed: make(chan struct{})}
	var sides sync.WaitGroup
	sides.Go(func() { cancel(r.upstreamEvents(ctx, q, out)) })
	sides.Go(func() { cancel(r.local.Runtime.GetContainerEvents(q, out)) })
	sides.Wait()
	return context.Cause(ctx)
}

// upstreamEvents passes on what the upstream runtime tells, again and again.
func (r *Router) upstreamEvents(ctx context.Context, q *runtimeapi.GetEventsRequest, out *eventStream) error {
	logger := log.G(ctx).WithField("endpoint", r.up.endpoint)
	var missed *sight // what was seen before the events ceased
	for {
		err := r.passEvents(ctx, q, out, missed)
		out.upstreamSubscribed() // or away: what happens meanwhile is told when it is back
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case isUnimplemented(err):
			return asItIs(err)
		case isAway(err):
			r.up.health.lost(r.up.describe(err), false)
		}
		logger.WithError(err).Debug("no more events of the upstream runtime")
		missed = r.up.mirror.look()
		select {
		case <-ctx.Done():
		case <-time.After(probePause):
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.up.health.isThere():
		}
	}
}

// passEvents passes on one stream of events, to its end. What has changed since missed
// comes first.
func (r *Router) passEvents(ctx context.Context, q *runtimeapi.GetEventsRequest, out *eventStream, missed *sight) error {
	ctx, cancel := context.WithCancel(passOn(ctx))
	defer cancel()
	events, err := r.up.runtime.GetContainerEvents(ctx, q)
	if err != nil {
		return err
	}
	confirmed := time.AfterFunc(subscribeTime, out.upstreamSubscribed)
	defer confirmed.Stop()
	go func() {
		if _, err := events.Header(); err == nil { // it ends with ctx at the latest
			out.upstreamSubscribed()
		}
	}()
	if missed != nil {
		if err := r.up.mirror.refresh(ctx, r.up.runtime, r.up.images); err != nil {
			return err
		}
		for _, e := range r.up.mirror.look().since(missed) {
			if err := out.Send(r.complete(ctx, e)); err != nil {
				return err
			}
		}
	}
	for {
		e, err := events.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("the upstream runtime has ended the stream")
		}
		if err != nil {
			return err
		}
		if err := out.Send(e); err != nil {
			return err
		}
	}
}

// complete adds what an event tells beside the change: the pod as it is.
func (r *Router) complete(ctx context.Context, e happening) *runtimeapi.ContainerEventResponse {
	resp := &runtimeapi.ContainerEventResponse{ContainerId: e.id, ContainerEventType: e.kind, CreatedAt: time.Now().UnixNano()}
	if pod, err := r.up.runtime.PodSandboxStatus(ctx, &runtimeapi.PodSandboxStatusRequest{PodSandboxId: e.sandbox.GetId()}); err == nil {
		resp.PodSandboxStatus = pod.GetStatus()
	} else {
		resp.PodSandboxStatus = &runtimeapi.PodSandboxStatus{ // it is gone: as it was
			Id: e.sandbox.GetId(), Metadata: e.sandbox.GetMetadata(), State: runtimeapi.PodSandboxState_SANDBOX_NOTREADY,
			CreatedAt: e.sandbox.GetCreatedAt(), Labels: e.sandbox.GetLabels(), Annotations: e.sandbox.GetAnnotations(), RuntimeHandler: e.sandbox.GetRuntimeHandler(),
		}
	}
	containers, _ := r.up.mirror.containerList()
	for _, c := range containers {
		if c.GetPodSandboxId() != e.sandbox.GetId() {
			continue
		}
		if status, err := r.up.runtime.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: c.GetId()}); err == nil {
			resp.ContainersStatuses = append(resp.ContainersStatuses, status.GetStatus())
		}
	}
	return resp
}
