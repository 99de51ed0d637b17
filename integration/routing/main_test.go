// SPDX-License-Identifier: Apache-2.0

// Package routing_test drives a node of both kinds over CRI, without a kubelet: wazelet
// with a containerd upstream, both real.
package routing_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/image"
)

// cluster is the node that all tests share.
var cluster *lab.Cluster

// webModule is the program of wasmImage.
var webModule []byte

// Images of the tests: the same server, native and as a module.
const (
	nativeImage = lab.Registry + "/native:1"
	wasmImage   = lab.Registry + "/wasm:1"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.list").Value.String() != "" {
		os.Exit(m.Run())
	}
	os.Exit(run(m))
}

// run brings the node up, runs the tests, looks for what stays, and takes all down.
func run(m *testing.M) (code int) {
	err := bringUp()
	code = 1
	if err == nil {
		var before lab.Snapshot
		if before, err = cluster.Snapshot(); err == nil {
			code = m.Run()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_, removed := cluster.Crictl(ctx, "rmp", "--all", "--force")
			err = errors.Join(removed, removeCgroups(), cluster.WaitClean(ctx, before))
		}
	}
	if cluster != nil {
		err = errors.Join(err, takeDown(code == 0 && err == nil))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "FAIL: %v\n", err)
		return 1
	}
	return code
}

func bringUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("/tmp", "wazelet-mixed-")
	if err != nil {
		return err
	}
	if cluster, err = lab.New(lab.Options{Dir: dir, Mixed: true}); err != nil {
		return errors.Join(err, os.Remove(dir))
	}
	if err := cluster.UpRuntime(ctx); err != nil {
		return fmt.Errorf("bring up the node: %w", err)
	}
	return pushImages(ctx, dir)
}

// takeDown takes the node down. The scratch folder with the logs stays when something
// went wrong.
func takeDown(tidy bool) error {
	if !tidy {
		for _, name := range []string{"wazelet", "containerd"} {
			fmt.Fprintf(os.Stderr, "--- %s\n%s\n", name, lab.Tail(cluster.LogFile(name), 25))
		}
		fmt.Fprintf(os.Stderr, "the logs are in %s/log\n", cluster.Dir())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := cluster.Down(ctx); err != nil {
		return fmt.Errorf("take down the node: %w", err)
	}
	if !tidy {
		return nil
	}
	return cluster.RemoveScratch()
}

// client speaks CRI to one of the two runtimes.
type client struct {
	runtimeapi.RuntimeServiceClient
	images runtimeapi.ImageServiceClient
}

// dial connects to a runtime's socket.
func dial(t testing.TB, socket string) client {
	t.Helper()
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20)))
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	return client{runtimeapi.NewRuntimeServiceClient(conn), runtimeapi.NewImageServiceClient(conn)}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pushImages stores a server that waits, as a native program and as a module.
func pushImages(ctx context.Context, dir string) error {
	native, err := buildGuest(ctx, dir, "linux", "")
	if err != nil {
		return err
	}
	module, err := buildGuest(ctx, dir, "wasip1", "wasm")
	if err != nil {
		return err
	}
	files := append(lab.BaseFiles(), image.File{Path: "/dev/"}, image.File{Path: "/proc/"}, image.File{Path: "/sys/"},
		image.File{Path: "/web", Content: native, Mode: 0o755})
	if _, err := cluster.PushFiles(ctx, nativeImage, image.Config{Platform: nativePlatform, Entrypoint: []string{"/web"}}, files...); err != nil {
		return err
	}
	webModule = module
	_, err = cluster.PushModule(ctx, wasmImage, module)
	return err
}
