// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"github.com/sirupsen/logrus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func TestErrorsLeaveAsGRPCCodes(t *testing.T) {
	conn, _ := serveScripted(t, always, func(context.Context) error {
		return fmt.Errorf("container x: %w", errdefs.ErrNotFound)
	})
	_, err := runtimeapi.NewRuntimeServiceClient(conn).ContainerStatus(t.Context(), &runtimeapi.ContainerStatusRequest{ContainerId: "x"})
	if status.Code(err) != codes.NotFound || status.Convert(err).Message() != "container x: not found" {
		t.Errorf("unary: %v", err)
	}
	if err := drain(t, conn); status.Code(err) != codes.NotFound {
		t.Errorf("stream: %v", err)
	}
}

func TestAPanicEndsOnlyItsCall(t *testing.T) {
	conn, logs := serveScripted(t, always, func(context.Context) error { panic("of course") })
	client := runtimeapi.NewRuntimeServiceClient(conn)
	for range 2 { // the second call finds the server alive
		_, err := client.StartContainer(t.Context(), &runtimeapi.StartContainerRequest{ContainerId: "x"})
		if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "of course") {
			t.Errorf("unary: %v", err)
		}
	}
	if err := drain(t, conn); status.Code(err) != codes.Internal {
		t.Errorf("stream: %v", err)
	}
	line := logs.lines(t, "StartContainer")[0]
	if line["level"] != "error" || line["container_id"] != "x" || !strings.Contains(fmt.Sprint(line["stack"]), "interceptor_test.go") {
		t.Errorf("logged %v", line)
	}
}

func TestNothingIsServedBeforeRecovery(t *testing.T) {
	var mu sync.Mutex
	recovering := true
	ready := func() error {
		mu.Lock()
		defer mu.Unlock()
		if recovering {
			return ErrRecovering
		}
		return nil
	}
	called := false
	conn, _ := serveScripted(t, ready, func(context.Context) error { called = true; return nil })
	client := runtimeapi.NewRuntimeServiceClient(conn)
	_, err := client.ContainerStatus(t.Context(), &runtimeapi.ContainerStatusRequest{})
	if status.Code(err) != codes.Unavailable || status.Convert(err).Message() != "wazelet is recovering its pods" {
		t.Errorf("unary: %v", err)
	}
	if err := drain(t, conn); status.Code(err) != codes.Unavailable {
		t.Errorf("stream: %v", err)
	}
	if called {
		t.Error("a handler was called")
	}
	mu.Lock()
	recovering = false
	mu.Unlock()
	if _, err := client.ContainerStatus(t.Context(), &runtimeapi.ContainerStatusRequest{}); err != nil {
		t.Errorf("after recovery: %v", err)
	}
}

func TestEachCallHasOneLineWithItsFields(t *testing.T) {
	conn, logs := serveScripted(t, always, func(ctx context.Context) error {
		log.G(ctx).Debug("from below")
		return nil
	})
	client, images := runtimeapi.NewRuntimeServiceClient(conn), runtimeapi.NewImageServiceClient(conn)
	calls := []struct {
		method string
		call   func() error
		level  string
		want   map[string]string
	}{
		{"RunPodSandbox", func() error {
			_, err := client.RunPodSandbox(t.Context(), &runtimeapi.RunPodSandboxRequest{Config: kubeletPod(), RuntimeHandler: "wasm"})
			return err
		}, "info", map[string]string{"sandbox_id": "5a6d", "handler": "wasm", "pod": "default/web"}},
		{"CreateContainer", func() error {
			_, err := client.CreateContainer(t.Context(), &runtimeapi.CreateContainerRequest{PodSandboxId: "5a6d", Config: kubeletContainer()})
			return err
		}, "info", map[string]string{"sandbox_id": "5a6d", "container_id": "c0de", "container": "hello", "image_ref": "registry.example/hello:v1"}},
		{"StartContainer", func() error {
			_, err := client.StartContainer(t.Context(), &runtimeapi.StartContainerRequest{ContainerId: "c0de"})
			return err
		}, "info", map[string]string{"container_id": "c0de"}},
		{"ContainerStatus", func() error {
			_, err := client.ContainerStatus(t.Context(), &runtimeapi.ContainerStatusRequest{ContainerId: "c0de"})
			return err
		}, "debug", map[string]string{"container_id": "c0de"}},
		{"PullImage", func() error {
			_, err := images.PullImage(t.Context(), &runtimeapi.PullImageRequest{
				Image: &runtimeapi.ImageSpec{Image: "hello:v1"}, Auth: &runtimeapi.AuthConfig{Password: "hunter2"},
			})
			return err
		}, "info", map[string]string{"image_ref": "hello:v1", "image_id": imageID}},
	}
	for _, c := range calls {
		if err := c.call(); err != nil {
			t.Fatalf("%s: %v", c.method, err)
		}
		lines := logs.lines(t, c.method)
		if len(lines) != 2 || lines[0]["msg"] != "from below" || lines[1]["msg"] != "rpc" {
			t.Fatalf("%s: logged %v", c.method, lines)
		}
		if lines[0]["request_id"] != lines[1]["request_id"] || lines[1]["request_id"] == "" {
			t.Errorf("%s: request ids %v and %v", c.method, lines[0]["request_id"], lines[1]["request_id"])
		}
		if lines[1]["level"] != c.level || lines[1]["duration"] == nil {
			t.Errorf("%s: logged %v", c.method, lines[1])
		}
		for key, want := range c.want {
			if lines[1][key] != want {
				t.Errorf("%s: %s is %v, want %s", c.method, key, lines[1][key], want)
			}
		}
	}
	for _, secret := range []string{"hunter2", "GREETING", "grüß"} {
		if strings.Contains(logs.String(), secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
}

func TestALineIsAsLoudAsItsError(t *testing.T) {
	for _, tt := range []struct {
		method string
		code   codes.Code
		want   log.Level
	}{
		{"StartContainer", codes.OK, log.InfoLevel},
		{"ListContainers", codes.OK, log.DebugLevel},
		{"StartContainer", codes.NotFound, log.WarnLevel},
		{"ContainerStatus", codes.NotFound, log.DebugLevel},
		{"ListContainers", codes.Internal, log.ErrorLevel},
		{"ListContainers", codes.Unknown, log.ErrorLevel},
		{"Exec", codes.Unimplemented, log.DebugLevel},
	} {
		if got := level(tt.method, tt.code); got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.method, tt.code, got, tt.want)
		}
	}
}

func TestACancelledCallSaysSo(t *testing.T) {
	conn, _ := serveScripted(t, always, func(ctx context.Context) error {
		<-ctx.Done()
		return fmt.Errorf("container x: start: %w", context.Cause(ctx))
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := runtimeapi.NewRuntimeServiceClient(conn).StartContainer(ctx, &runtimeapi.StartContainerRequest{})
	if status.Code(err) != codes.Canceled {
		t.Errorf("%v", err)
	}
}

func TestMessagesAreBounded(t *testing.T) {
	conn, _ := serveScripted(t, always, func(context.Context) error { return nil })
	client := runtimeapi.NewRuntimeServiceClient(conn)
	for size, want := range map[int]codes.Code{MaxMessage - 1024: codes.OK, MaxMessage + 1: codes.ResourceExhausted} {
		_, err := client.StartContainer(t.Context(), &runtimeapi.StartContainerRequest{ContainerId: strings.Repeat("x", size)})
		if status.Code(err) != want {
			t.Errorf("%d bytes: %v, want %s", size, status.Code(err), want)
		}
	}
}

func TestFieldsInTheLogAreCut(t *testing.T) {
	fields := requestFields(&runtimeapi.StartContainerRequest{ContainerId: strings.Repeat("x", 4096)})
	if got := fmt.Sprint(fields["container_id"]); len(got) != 512 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestRecoveringIsAnError(t *testing.T) {
	if !errors.Is(fmt.Errorf("sandboxes: %w", ErrRecovering), ErrRecovering) {
		t.Error("wrapped, it is lost")
	}
}

// BenchmarkInterceptor is what surrounds a call that changes nothing, and is not logged.
func BenchmarkInterceptor(b *testing.B) {
	logrus.SetLevel(logrus.InfoLevel)
	i := interceptor{ready: func() error { return nil }}
	request, answer := &runtimeapi.ContainerStatusRequest{ContainerId: strings.Repeat("c0de", 16)}, &runtimeapi.ContainerStatusResponse{}
	info := &grpc.UnaryServerInfo{FullMethod: runtimeapi.RuntimeService_ContainerStatus_FullMethodName}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.unary(b.Context(), request, info, func(context.Context, any) (any, error) { return answer, nil }); err != nil {
			b.Fatal(err)
		}
	}
}
