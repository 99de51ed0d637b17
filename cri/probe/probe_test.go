// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// foreign is a runtime that is not ours: the probe must be able to tell.
type foreign struct {
	runtimeapi.UnimplementedRuntimeServiceServer
	statusFails bool
}

func (foreign) Version(context.Context, *runtimeapi.VersionRequest) (*runtimeapi.VersionResponse, error) {
	return &runtimeapi.VersionResponse{RuntimeName: "other", RuntimeVersion: "9.9"}, nil
}

func (f foreign) Status(ctx context.Context, r *runtimeapi.StatusRequest) (*runtimeapi.StatusResponse, error) {
	if f.statusFails {
		return f.UnimplementedRuntimeServiceServer.Status(ctx, r)
	}
	return &runtimeapi.StatusResponse{Status: &runtimeapi.RuntimeStatus{Conditions: []*runtimeapi.RuntimeCondition{
		{Type: runtimeapi.RuntimeReady, Status: true},
		{Type: runtimeapi.NetworkReady, Reason: "NoNetwork", Message: "no file"},
	}}}, nil
}

func serve(t *testing.T, runtime runtimeapi.RuntimeServiceServer) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	runtimeapi.RegisterRuntimeServiceServer(server, runtime)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return socket
}

func TestAskTellsNameVersionAndUnmetConditions(t *testing.T) {
	got, err := Ask(t.Context(), serve(t, foreign{}))
	if err != nil {
		t.Fatal(err)
	}
	want := Answer{Name: "other", Version: "9.9", Unmet: []Condition{{runtimeapi.NetworkReady, "NoNetwork", "no file"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("answer is %+v, want %+v", got, want)
	}
}

func TestAskNamesTheCallThatFailed(t *testing.T) {
	if _, err := Ask(t.Context(), serve(t, foreign{statusFails: true})); err == nil || !strings.Contains(err.Error(), "Status: ") {
		t.Errorf("error is %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := Ask(ctx, filepath.Join(t.TempDir(), "s")); err == nil || !strings.Contains(err.Error(), "Version: ") {
		t.Errorf("error is %v", err)
	}
}
