// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// codec is gRPC's own for protobuf, but for a list that is encoded already: its bytes go
// to the client as they are. gRPC's would copy them into a buffer of a megabyte for each
// call.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

// Marshal is encoding.CodecV2's.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	switch list := v.(type) {
	case *runtimeapi.ListContainersResponse:
		if whole, ok := onlyEncoded(list); ok {
			return mem.BufferSlice{mem.SliceBuffer(whole)}, nil
		}
	case *runtimeapi.ListPodSandboxResponse:
		if whole, ok := onlyEncoded(list); ok {
			return mem.BufferSlice{mem.SliceBuffer(whole)}, nil
		}
	}
	return c.CodecV2.Marshal(v)
}

// onlyEncoded returns what a message has encoded, if that is all that it has: to a list
// of ours those of an upstream runtime may have been appended.
func onlyEncoded(m proto.Message) (encoded []byte, ok bool) {
	encoded = m.ProtoReflect().GetUnknown()
	return encoded, len(encoded) > 0 && proto.Size(m) == len(encoded)
}
