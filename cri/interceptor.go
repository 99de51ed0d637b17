// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"runtime/debug"
	"time"

	"github.com/containerd/log"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/observe"
)

// MaxMessage is the largest message in bytes that either side accepts; the kubelet's
// client has the same bound (k8s.io/cri-client, maxMsgSize).
const MaxMessage = 16 << 20

// ErrRecovering is what ready should return until the node's pods have been
// found again. A list answered before that would make the kubelet start every
// pod anew.
var ErrRecovering = errors.New("wazelet is recovering its pods")

// Interceptors are the options of the gRPC server a [Server] is registered
// with: what surrounds every RPC, the message bounds, and how messages are encoded. While ready returns an error,
// every RPC answers Unavailable with its text. work is told of each RPC that changes something, and what it
// returns of its end.
func Interceptors(ready func() error, work func() (done func())) []grpc.ServerOption {
	i := interceptor{ready: ready, work: work}
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(MaxMessage),
		grpc.MaxSendMsgSize(MaxMessage),
		grpc.ForceServerCodecV2(newCodec()),
		grpc.ChainUnaryInterceptor(i.unary),
		grpc.ChainStreamInterceptor(i.stream),
	}
}

// readOnly are the RPCs that change nothing. The kubelet calls most of them
// every second or so: they are logged for debugging only.
var readOnly = map[string]bool{
	"Version": true, "Status": true, "RuntimeConfig": true, "ImageFsInfo": true,
	"PodSandboxStatus": true, "ContainerStatus": true, "ImageStatus": true,
	"ListPodSandbox": true, "ListContainers": true, "ListImages": true,
	"PodSandboxStats": true, "ListPodSandboxStats": true,
	"ContainerStats": true, "ListContainerStats": true,
	"ListMetricDescriptors": true, "ListPodSandboxMetrics": true,
	"GetContainerEvents": true,
	"StreamPodSandboxes": true, "StreamContainers": true, "StreamImages": true,
	"StreamContainerStats": true, "StreamPodSandboxStats": true, "StreamPodSandboxMetrics": true,
}

// knownRPCs are the RPCs of this release; others may be the upstream runtime's.
var knownRPCs = func() map[string]bool {
	names := map[string]bool{}
	for _, service := range []grpc.ServiceDesc{runtimeapi.RuntimeService_ServiceDesc, runtimeapi.ImageService_ServiceDesc} {
		for _, m := range service.Methods {
			names[m.MethodName] = true
		}
		for _, s := range service.Streams {
			names[s.StreamName] = true
		}
	}
	return names
}()

// Tracing is the option of the gRPC server that makes every call a span, in the
// trace that the client's call is part of.
func Tracing() grpc.ServerOption { return grpc.StatsHandler(otelgrpc.NewServerHandler()) }

// interceptor surrounds every RPC with what they have in common.
type interceptor struct {
	ready func() error
	work  func() (done func())
}

// working tells of a call that changes something.
func (i interceptor) working(fullMethod string) (done func()) {
	if readOnly[path.Base(fullMethod)] {
		return func() {}
	}
	return i.work()
}

func (i interceptor) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	defer i.working(info.FullMethod)()
	c := begin(ctx, info.FullMethod, requestFields(req))
	err = c.run(i.ready, func() (err error) {
		resp, err = handler(c.ctx, req)
		return err
	})
	if err != nil {
		c.end(nil, err)
		return nil, err
	}
	c.end(responseFields(resp), nil)
	return resp, nil
}

func (i interceptor) stream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer i.working(info.FullMethod)()
	c := begin(s.Context(), info.FullMethod, nil)
	defer func() { c.end(nil, err) }()
	return c.run(i.ready, func() error {
		return handler(srv, contextStream{ServerStream: s, ctx: c.ctx})
	})
}

// contextStream is a stream whose context carries the call's logger.
type contextStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s contextStream) Context() context.Context { return s.ctx }

// call is one RPC on its way through.
type call struct {
	ctx     context.Context
	method  string
	started time.Time
	counted func(code string)
}

// begin gives a call its request id and a logger that everything below uses.
func begin(ctx context.Context, fullMethod string, fields log.Fields) call {
	method := path.Base(fullMethod)
	if !knownRPCs[method] { // a client may call anything; what it calls is no label of a metric
		method = "other"
	}
	c := call{method: method, started: time.Now(), counted: observe.RPC(method)}
	if fields == nil {
		fields = log.Fields{}
	}
	fields["request_id"], fields["method"] = requestID(), c.method
	c.ctx = log.WithLogger(ctx, log.G(ctx).WithFields(fields))
	return c
}

// run calls the handler once the daemon is ready. A panic is the end of this
// call only; every error leaves as a gRPC status.
func (c call) run(ready func() error, handler func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			log.G(c.ctx).WithField("stack", string(debug.Stack())).Errorf("panic: %v", p)
			err = status.Errorf(codes.Internal, "%s: wazelet met a bug of its own; its log has the details", c.method)
		}
	}()
	if err := ready(); err != nil {
		return status.Error(codes.Unavailable, clean(err.Error(), maxErrorText))
	}
	return toStatus(handler())
}

// end writes the call's one line.
func (c call) end(fields log.Fields, err error) {
	c.counted(status.Code(err).String())
	logger := log.G(c.ctx)
	if !logger.Logger.IsLevelEnabled(level(c.method, status.Code(err))) {
		return
	}
	logger = logger.WithFields(fields).WithField("duration", time.Since(c.started).String())
	if err != nil {
		logger = logger.WithField("code", status.Code(err).String()).WithField("error", status.Convert(err).Message())
	}
	logger.Log(level(c.method, status.Code(err)), "rpc")
}

// level says how loud a call's line is.
func level(method string, code codes.Code) log.Level {
	switch {
	case code == codes.Internal || code == codes.Unknown || code == codes.DataLoss:
		return log.ErrorLevel
	case readOnly[method], code == codes.Unimplemented:
		return log.DebugLevel // e.g. the status of a container that is gone, or a probe for a feature
	case code != codes.OK:
		return log.WarnLevel
	default:
		return log.InfoLevel
	}
}

// requestFields names what a request is about. Only these fields are ever
// logged: requests carry passwords and environments.
func requestFields(req any) log.Fields {
	fields := log.Fields{}
	set := func(key, value string) {
		if value != "" {
			fields[key] = clean(value, 512)
		}
	}
	if r, ok := req.(interface{ GetPodSandboxId() string }); ok {
		set("sandbox_id", r.GetPodSandboxId())
	}
	if r, ok := req.(interface{ GetContainerId() string }); ok {
		set("container_id", r.GetContainerId())
	}
	if r, ok := req.(interface{ GetRuntimeHandler() string }); ok {
		set("handler", r.GetRuntimeHandler())
	}
	if r, ok := req.(interface {
		GetImage() *runtimeapi.ImageSpec
	}); ok {
		set("image_ref", r.GetImage().GetImage())
	}
	if r, ok := req.(interface {
		GetConfig() *runtimeapi.PodSandboxConfig
	}); ok && r.GetConfig() != nil {
		m := r.GetConfig().GetMetadata()
		set("pod", fmt.Sprintf("%s/%s", m.GetNamespace(), m.GetName()))
	}
	if r, ok := req.(interface {
		GetConfig() *runtimeapi.ContainerConfig
	}); ok {
		set("container", r.GetConfig().GetMetadata().GetName())
		set("image_ref", userImage(r.GetConfig().GetImage()))
	}
	return fields
}

// responseFields names what a response made.
func responseFields(resp any) log.Fields {
	switch r := resp.(type) {
	case *runtimeapi.RunPodSandboxResponse:
		return log.Fields{"sandbox_id": r.GetPodSandboxId()}
	case *runtimeapi.CreateContainerResponse:
		return log.Fields{"container_id": r.GetContainerId()}
	case *runtimeapi.PullImageResponse:
		return log.Fields{"image_id": r.GetImageRef()}
	default:
		return nil
	}
}

// requestID is a name for one call, to find its lines in the log.
func requestID() string {
	var raw [6]byte
	rand.Read(raw[:]) // never fails: crypto/rand crashes the program instead
	return hex.EncodeToString(raw[:])
}
