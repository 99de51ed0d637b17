// SPDX-License-Identifier: Apache-2.0

// Command floor measures what a gRPC server in Go takes of a processor for ContainerStatus
// when it does nothing for it: with pauses between the calls, as a kubelet makes them for
// the logs of 500 containers, and without. No CRI runtime in Go can take less.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/podbench/process"
)

const (
	watched = 20 * time.Second
	pause   = 20 * time.Millisecond // 50 calls a second
)

type server struct {
	runtimeapi.UnimplementedRuntimeServiceServer
}

func (server) ContainerStatus(context.Context, *runtimeapi.ContainerStatusRequest) (*runtimeapi.ContainerStatusResponse, error) {
	return &runtimeapi.ContainerStatusResponse{Status: &runtimeapi.ContainerStatus{Id: "0"}}, nil
}

func main() {
	var err error
	if len(os.Args) > 1 {
		err = serve(os.Args[1])
	} else {
		err = measure(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func serve(socket string) error {
	goruntime.GOMAXPROCS(1)
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", socket)
	if err != nil {
		return err
	}
	s := grpc.NewServer(grpc.NumStreamWorkers(8))
	runtimeapi.RegisterRuntimeServiceServer(s, server{})
	return s.Serve(listener)
}

func measure(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "floor")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	socket := filepath.Join(dir, "s")
	child := exec.CommandContext(ctx, os.Args[0], socket)
	if err := child.Start(); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, child.Process.Kill())
		_ = child.Wait() // it was killed
	}()
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	client := runtimeapi.NewRuntimeServiceClient(conn)
	if _, err := client.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{}, grpc.WaitForReady(true)); err != nil {
		return err
	}
	for _, rest := range []time.Duration{pause, 0} {
		before, _, err := process.Time(child.Process.Pid)
		if err != nil {
			return err
		}
		began, calls := time.Now(), 0
		for ; time.Since(began) < watched; calls++ {
			if _, err := client.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{}); err != nil {
				return err
			}
			time.Sleep(rest)
		}
		after, _, err := process.Time(child.Process.Pid)
		if err != nil {
			return err
		}
		used := after - before
		fmt.Printf("%d calls with %v between them: %v each, %.2f %% of a core\n",
			calls, rest, used/time.Duration(calls), used.Seconds()/time.Since(began).Seconds()*100)
	}
	return nil
}
