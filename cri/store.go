// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"encoding/json"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/wazelet/wazelet/imageservice"
)

// storeService answers what CRI has no RPC for: `wazelet image check` has the daemon check its store, which is the
// daemon's alone. Its messages are protobuf's own wrappers, and its answer the report as JSON: nobody else is to build on
// it.
type storeService struct {
	check func(ctx context.Context, repair bool) (imageservice.Report, error)
}

// CheckStore is the full name of the RPC that checks the image store: a BoolValue, whether to repair, is answered with
// the JSON of an imageservice.Report as a StringValue.
const CheckStore = "/" + storeServiceName + "/CheckStore"

const storeServiceName = "wazelet.store.v1.Store"

var storeServiceDesc = grpc.ServiceDesc{
	ServiceName: storeServiceName,
	HandlerType: (*storeChecker)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "CheckStore", Handler: handleCheck}},
}

type storeChecker interface {
	CheckStore(ctx context.Context, repair *wrapperspb.BoolValue) (*wrapperspb.StringValue, error)
}

func handleCheck(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // gRPC's order
	in := &wrapperspb.BoolValue{}
	if err := decode(in); err != nil {
		return nil, err
	}
	handler := func(ctx context.Context, in any) (any, error) {
		return srv.(storeChecker).CheckStore(ctx, in.(*wrapperspb.BoolValue))
	}
	if interceptor == nil {
		return handler(ctx, in)
	}
	return interceptor(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: CheckStore}, handler)
}

// CheckStore checks the store, and repairs it.
func (s *storeService) CheckStore(ctx context.Context, repair *wrapperspb.BoolValue) (*wrapperspb.StringValue, error) {
	report, err := s.check(ctx, repair.GetValue())
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(report)
	if err != nil {
		return nil, err
	}
	return wrapperspb.String(string(raw)), nil
}
