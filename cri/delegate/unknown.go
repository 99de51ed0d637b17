// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"context"
	"errors"
	"io"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// PassUnknown passes calls of CRI's that this release does not know to the upstream
// runtime, both ways, message by message. An empty message keeps every field that it
// does not know, so that it carries any other one.
func (u *Upstream) PassUnknown(_ any, client grpc.ServerStream) error {
	method, ok := grpc.MethodFromServerStream(client)
	if !ok || !strings.HasPrefix(method, "/runtime.v1.") {
		return status.Errorf(codes.Unimplemented, "unknown service or method %s", method)
	}
	if err := u.refusal(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(passOn(client.Context()))
	defer cancel()
	upstream, err := u.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return asItIs(err)
	}
	// It ends with the call at the latest; what goes wrong is in the answer.
	go func() { _ = copyRequests(upstream, client) }()
	return asItIs(copyAnswers(client, upstream))
}

func copyRequests(upstream grpc.ClientStream, client grpc.ServerStream) error {
	for {
		var message emptypb.Empty
		err := client.RecvMsg(&message)
		if errors.Is(err, io.EOF) {
			return upstream.CloseSend()
		}
		if err != nil {
			return err
		}
		if err := upstream.SendMsg(&message); err != nil {
			return err // the answer tells why
		}
	}
}

func copyAnswers(client grpc.ServerStream, upstream grpc.ClientStream) error {
	header, err := upstream.Header()
	if err != nil {
		return err
	}
	if err := client.SendHeader(withoutConnections(header)); err != nil {
		return err
	}
	for {
		var message emptypb.Empty
		err := upstream.RecvMsg(&message)
		if err != nil {
			client.SetTrailer(withoutConnections(upstream.Trailer()))
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := client.SendMsg(&message); err != nil {
			return err
		}
	}
}

func withoutConnections(md metadata.MD) metadata.MD {
	for key := range md {
		if isConnections(key) {
			delete(md, key)
		}
	}
	return md
}
