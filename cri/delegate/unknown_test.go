// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cgroup"
)

// listen serves on a new socket and returns its path.
func listen(t *testing.T, server *grpc.Server) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		if err := server.Serve(l); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { server.Stop(); served.Wait() })
	return socket
}

// fromTheFuture answers calls that CRI does not have yet: each message twice, in capital
// letters, and then whatever error the client asks for.
func fromTheFuture(_ any, s grpc.ServerStream) error {
	md, _ := metadata.FromIncomingContext(s.Context())
	if err := s.SetHeader(metadata.Pairs("seen", "["+first(md.Get("asked"))+"]")); err != nil {
		return err
	}
	s.SetTrailer(metadata.Pairs("last", "word"))
	for {
		var message runtimeapi.VersionRequest
		if err := s.RecvMsg(&message); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		for range 2 {
			if err := s.SendMsg(&runtimeapi.VersionRequest{Version: message.GetVersion() + "!"}); err != nil {
				return err
			}
		}
	}
	if first(md.Get("asked")) == "trouble" {
		return status.Error(codes.DataLoss, "as it was said")
	}
	return nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// TestCallsOfTheFuturePassThrough: both ways, with metadata and errors as they are.
func TestCallsOfTheFuturePassThrough(t *testing.T) {
	up, err := Dial(Options{Endpoint: listen(t, grpc.NewServer(grpc.UnknownServiceHandler(fromTheFuture))), CgroupDriver: cgroup.Cgroupfs})
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	conn, err := grpc.NewClient("unix://"+listen(t, grpc.NewServer(grpc.UnknownServiceHandler(up.PassUnknown))), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	for asked, want := range map[string]codes.Code{"peace": codes.OK, "trouble": codes.DataLoss} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "asked", asked)
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/runtime.v1.RuntimeService/Teleport")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, word := range []string{"a", "b"} {
			if err := stream.SendMsg(&runtimeapi.VersionRequest{Version: word}); err != nil {
				t.Fatal(err)
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		for {
			var message runtimeapi.VersionRequest
			if err = stream.RecvMsg(&message); err != nil {
				break
			}
			got = append(got, message.GetVersion())
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		header, _ := stream.Header()
		if !slices.Equal(got, []string{"a!", "a!", "b!", "b!"}) || status.Code(err) != want || first(header.Get("seen")) != "["+asked+"]" || first(stream.Trailer().Get("last")) != "word" {
			t.Errorf("%s: %q, %v, header %v, trailer %v", asked, got, err, header, stream.Trailer())
		}
	}
	var answer runtimeapi.VersionRequest
	if err := conn.Invoke(t.Context(), "/runtime.v1.ImageService/Paint", &runtimeapi.VersionRequest{Version: "x"}, &answer); status.Code(err) == codes.Unimplemented {
		t.Errorf("a unary one: %v", err)
	}
	if err := conn.Invoke(t.Context(), "/other.Service/Call", &runtimeapi.VersionRequest{}, &answer); status.Code(err) != codes.Unimplemented {
		t.Errorf("what is not CRI: %v", err)
	}
}
