// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// serve runs a gRPC server with the interceptor on a unix socket and returns a
// connection to it. What the interceptor logs goes to the returned buffer.
func serve(t testing.TB, ready func() error, register func(grpc.ServiceRegistrar), more ...grpc.ServerOption) (*grpc.ClientConn, *logBuffer) {
	t.Helper()
	logs := captureLog(t)
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(append(Interceptors(ready, func() func() { return func() {} }), more...)...)
	register(server)
	var served sync.WaitGroup
	served.Go(func() {
		if err := server.Serve(l); err != nil {
			t.Error(err)
		}
	})
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(2*MaxMessage)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		served.Wait()
	})
	return conn, logs
}

func always() error { return nil }

// logBuffer collects log lines of one test.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// captureLog turns the process's log into JSON lines in a buffer. Tests that
// use it do not run in parallel.
func captureLog(t testing.TB) *logBuffer {
	t.Helper()
	logger := logrus.StandardLogger()
	out, formatter, level := logger.Out, logger.Formatter, logger.Level
	t.Cleanup(func() {
		logger.SetOutput(out)
		logger.SetFormatter(formatter)
		logger.SetLevel(level)
	})
	buffer := &logBuffer{}
	logger.SetOutput(buffer)
	logger.SetFormatter(&logrus.JSONFormatter{})
	logger.SetLevel(logrus.DebugLevel)
	return buffer
}

// lines returns the lines of a method.
func (l *logBuffer) lines(t *testing.T, method string) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []map[string]any
	for text := range strings.Lines(l.b.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if line["method"] == method {
			found = append(found, line)
		}
	}
	return found
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// scripted is a small CRI server whose answers the tests choose.
type scripted struct {
	runtimeapi.UnimplementedRuntimeServiceServer
	runtimeapi.UnimplementedImageServiceServer
	answer func(ctx context.Context) error
}

func (s *scripted) ContainerStatus(ctx context.Context, _ *runtimeapi.ContainerStatusRequest) (*runtimeapi.ContainerStatusResponse, error) {
	return &runtimeapi.ContainerStatusResponse{}, s.answer(ctx)
}

func (s *scripted) StartContainer(ctx context.Context, _ *runtimeapi.StartContainerRequest) (*runtimeapi.StartContainerResponse, error) {
	return &runtimeapi.StartContainerResponse{}, s.answer(ctx)
}

func (s *scripted) RunPodSandbox(ctx context.Context, _ *runtimeapi.RunPodSandboxRequest) (*runtimeapi.RunPodSandboxResponse, error) {
	return &runtimeapi.RunPodSandboxResponse{PodSandboxId: "5a6d"}, s.answer(ctx)
}

func (s *scripted) CreateContainer(ctx context.Context, _ *runtimeapi.CreateContainerRequest) (*runtimeapi.CreateContainerResponse, error) {
	return &runtimeapi.CreateContainerResponse{ContainerId: "c0de"}, s.answer(ctx)
}

func (s *scripted) PullImage(ctx context.Context, _ *runtimeapi.PullImageRequest) (*runtimeapi.PullImageResponse, error) {
	return &runtimeapi.PullImageResponse{ImageRef: imageID}, s.answer(ctx)
}

func (s *scripted) GetContainerEvents(_ *runtimeapi.GetEventsRequest, stream grpc.ServerStreamingServer[runtimeapi.ContainerEventResponse]) error {
	return s.answer(stream.Context())
}

func serveScripted(t *testing.T, ready func() error, answer func(context.Context) error) (*grpc.ClientConn, *logBuffer) {
	t.Helper()
	s := &scripted{answer: answer}
	return serve(t, ready, func(r grpc.ServiceRegistrar) {
		runtimeapi.RegisterRuntimeServiceServer(r, s)
		runtimeapi.RegisterImageServiceServer(r, s)
	})
}

// drain reads a stream to its end.
func drain(t *testing.T, conn *grpc.ClientConn) error {
	t.Helper()
	events, err := runtimeapi.NewRuntimeServiceClient(conn).GetContainerEvents(t.Context(), &runtimeapi.GetEventsRequest{})
	if err != nil {
		return err
	}
	_, err = events.Recv()
	return err
}
