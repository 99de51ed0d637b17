// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// configure appends to the daemon's configuration.
func (s *server) configure(t *testing.T, toml string) {
	t.Helper()
	f, err := os.OpenFile(s.config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(toml); err != nil {
		t.Fatal(err)
	}
}

// client is the CRI of a daemon.
type client struct {
	runtimeapi.RuntimeServiceClient
	runtimeapi.ImageServiceClient
}

func (s *server) client(t *testing.T) client {
	t.Helper()
	conn, err := grpc.NewClient("unix://"+s.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return client{runtimeapi.NewRuntimeServiceClient(conn), runtimeapi.NewImageServiceClient(conn)}
}

// pod makes a pod on the node's network, with a container of the image if there
// is one, and removes it again.
func (c client) pod(ctx context.Context, t *testing.T, image string) {
	t.Helper()
	config := &runtimeapi.PodSandboxConfig{
		Metadata: &runtimeapi.PodSandboxMetadata{Name: "p", Namespace: "default", Uid: "u"},
		Linux: &runtimeapi.LinuxPodSandboxConfig{SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{
			NamespaceOptions: &runtimeapi.NamespaceOption{Network: runtimeapi.NamespaceMode_NODE},
		}},
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pod, err := c.RunPodSandbox(ctx, &runtimeapi.RunPodSandboxRequest{Config: config})
	must(err)
	if image != "" {
		spec := &runtimeapi.ImageSpec{Image: image}
		_, err = c.PullImage(ctx, &runtimeapi.PullImageRequest{Image: spec, SandboxConfig: config})
		must(err)
		container, err := c.CreateContainer(ctx, &runtimeapi.CreateContainerRequest{
			PodSandboxId: pod.GetPodSandboxId(), SandboxConfig: config,
			Config: &runtimeapi.ContainerConfig{Metadata: &runtimeapi.ContainerMetadata{Name: "c"}, Image: spec},
		})
		must(err)
		_, err = c.StartContainer(ctx, &runtimeapi.StartContainerRequest{ContainerId: container.GetContainerId()})
		must(err)
	}
	_, err = c.RemovePodSandbox(ctx, &runtimeapi.RemovePodSandboxRequest{PodSandboxId: pod.GetPodSandboxId()})
	must(err)
}

func TestMetricsAreServedWhereTheConfigurationSays(t *testing.T) {
	s := newServer(t, t.TempDir())
	s.configure(t, "[metrics]\naddress = '127.0.0.1:0'\n")
	s.start(t)
	s.expectNotice(t, "READY=1")
	address := regexp.MustCompile(`address="?(127\.0\.0\.1:\d+)"? msg="metrics are served"|msg="metrics are served" address="?(127\.0\.0\.1:\d+)`).FindStringSubmatch(s.stderr.String())
	if address == nil {
		t.Fatalf("the log does not say where:\n%s", s.stderr)
	}
	base := "http://" + address[1] + address[2]
	s.client(t).pod(t.Context(), t, "")
	defer http.DefaultClient.CloseIdleConnections()
	get := func(path string) (int, string) {
		answer, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
	code, text := get("/metrics")
	for _, want := range []string{
		`wazelet_rpc_duration_seconds_count{code="OK",method="RunPodSandbox"} `,
		`wazelet_rpc_in_flight{method="RunPodSandbox"} 0`,
		`wazelet_step_duration_seconds_count{result="ok",step="files"} `,
		`wazelet_build_info{`,
	} {
		if code != http.StatusOK || !strings.Contains(text, "\n"+want) {
			t.Errorf("%d, without %s", code, want)
		}
	}
	if code, _ := get("/"); code != http.StatusNotFound {
		t.Errorf("/ answers %d", code)
	}
	if code := s.end(t); code != 0 {
		t.Errorf("exit code %d; it says\n%s", code, s.stderr)
	}
	if answer, err := http.Get(base + "/metrics"); err == nil {
		answer.Body.Close()
		t.Error("metrics are served after the end")
	}
}

// spans is a collector: the real protocol, kept in memory.
type spans struct {
	collector.UnimplementedTraceServiceServer

	mu  sync.Mutex
	all []*trace.Span
}

func (s *spans) Export(_ context.Context, r *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range r.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			s.all = append(s.all, scope.GetSpans()...)
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// collect starts a collector.
func collect(t *testing.T) (*spans, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, server := &spans{}, grpc.NewServer()
	collector.RegisterTraceServiceServer(server, s)
	var served sync.WaitGroup
	served.Go(func() {
		if err := server.Serve(listener); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { server.Stop(); served.Wait() })
	return s, listener.Addr().String()
}

// TestTracesJoinTheCallers calls as a kubelet does that traces one pod and not
// another.
func TestTracesJoinTheCallers(t *testing.T) {
	received, address := collect(t)
	image, _ := pushed(t, ofFiles(t, guest(t), v1.Config{Entrypoint: []string{"/app"}}))
	s := newServer(t, t.TempDir())
	s.configure(t, fmt.Sprintf("[tracing]\nendpoint = %q\n[worker]\npath = %q\n", address, workerProgram))
	s.start(t)
	s.expectNotice(t, "READY=1")
	const traceID, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	c := s.client(t)
	c.pod(metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-"+traceID+"-"+parent+"-01"), t, image)
	c.pod(metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-ffffffffffffffffffffffffffffffff-"+parent+"-00"), t, "")
	c.pod(t.Context(), t, "") // no decision, and the configuration's is not to
	if code := s.end(t); code != 0 {
		t.Errorf("exit code %d; it says\n%s", code, s.stderr)
	}

	received.mu.Lock()
	defer received.mu.Unlock()
	names := map[string]string{parent: "the kubelet"}
	for _, span := range received.all {
		if id := hex.EncodeToString(span.GetTraceId()); id != traceID {
			t.Errorf("span %s is in trace %s", span.GetName(), id)
		}
		names[hex.EncodeToString(span.GetSpanId())] = path.Base(span.GetName())
	}
	below := map[string][]string{}
	for _, span := range received.all {
		of := names[hex.EncodeToString(span.GetParentSpanId())]
		below[of] = append(below[of], path.Base(span.GetName()))
	}
	for call, want := range map[string]string{
		"the kubelet":     "[CreateContainer PullImage RemovePodSandbox RunPodSandbox StartContainer]",
		"RunPodSandbox":   "[cgroup files spawn]",
		"PullImage":       "[fetch prepare resolve]",
		"CreateContainer": "[cgroup confine load module root]",
		"StartContainer":  "[gate]",
	} {
		slices.Sort(below[call])
		if got := fmt.Sprint(below[call]); got != want {
			t.Errorf("spans below %s are %s, want %s", call, got, want)
		}
	}
}

// TestACollectorThatIsNotThereCostsOnlySpans: pods come up, and the daemon ends
// in time.
func TestACollectorThatIsNotThereCostsOnlySpans(t *testing.T) {
	s := newServer(t, t.TempDir())
	s.configure(t, "[tracing]\nendpoint = '127.0.0.1:1'\nsampling_rate_per_million = 1000000\n")
	s.start(t)
	s.expectNotice(t, "READY=1")
	s.client(t).pod(t.Context(), t, "")
	if code := s.end(t); code != 0 {
		t.Errorf("exit code %d; it says\n%s", code, s.stderr)
	}
	if !strings.Contains(s.stderr.String(), "spans are lost") {
		t.Errorf("the log does not say that spans are lost:\n%s", s.stderr)
	}
}

// TestAReaderOfEventsDoesNotHoldTheDaemonUp: its stream never ends by itself.
func TestAReaderOfEventsDoesNotHoldTheDaemonUp(t *testing.T) {
	s := newServer(t, t.TempDir())
	s.start(t)
	s.expectNotice(t, "READY=1")
	events, err := s.client(t).GetContainerEvents(t.Context(), &runtimeapi.GetEventsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := events.Header(); err != nil {
		t.Fatal(err)
	}
	if code := s.end(t); code != 0 {
		t.Errorf("exit code %d; it says\n%s", code, s.stderr)
	}
	if _, err := events.Recv(); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "shutting down") {
		t.Errorf("the reader hears %v", err)
	}
	if strings.Contains(s.stderr.String(), "calls under way are cancelled") {
		t.Errorf("the stream had to be cut:\n%s", s.stderr)
	}
}
