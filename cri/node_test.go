// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	internalapi "k8s.io/cri-api/pkg/apis"
	criclient "k8s.io/cri-client/pkg"
	"k8s.io/klog/v2"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/cri/streaming"
	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/integration/lab/image"
	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/sandbox"
	"github.com/wazelet/wazelet/sandbox/network"
)

// testNode is a node's real parts behind a socket, with the kubelet's own
// client in front and a real registry beside it. It has no CNI configuration
// unless addNetwork gives it one: its pods are on the node's network.
type testNode struct {
	t        testing.TB
	dir      string
	logs     string // log directory of the pods
	cgroups  string // the node's own cgroup
	registry string // host:port
	push     image.Registry
	log      *logBuffer

	sandboxes  *sandbox.Controller
	containers *runtime.Controller
	conn       *grpc.ClientConn
	runtime    internalapi.RuntimeService
	images     internalapi.ImageManagerService
}

// worker builds the worker binary, once and only when a test wants it.
var worker = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "cri-worker")
	if err != nil {
		return "", err
	}
	atEnd = func() { os.RemoveAll(dir) }
	path := filepath.Join(dir, "wazelet-worker")
	cmd := exec.Command("go", "build", "-p", "1", "-trimpath", "-o", path, "github.com/wazelet/wazelet/cmd/wazelet-worker")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build worker: %w\n%s", err, out)
	}
	return path, nil
})

// atEnd runs after the last test.
var atEnd = func() {}

func TestMain(m *testing.M) {
	klog.LogToStderr(false) // the kubelet's client tells of each error that a test wants
	klog.SetOutput(io.Discard)
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		atEnd()
		os.Exit(code)
	}))
}

// nodes tells the nodes of one test apart.
var nodes atomic.Int32

// newNode starts a node; change changes how.
func newNode(t testing.TB, change ...func(*Options)) *testNode {
	t.Helper()
	captureLog(t)
	dir, err := os.MkdirTemp("", "cri") // short: it holds sockets
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	n := &testNode{t: t, dir: dir, logs: filepath.Join(dir, "logs"), cgroups: fmt.Sprintf("/wazelet-cri-%d-%d", os.Getpid(), nodes.Add(1))}
	n.startRegistry()

	workerPath, err := worker()
	must(t, err)
	root, state := filepath.Join(dir, "root"), filepath.Join(dir, "run")
	cgroups, err := cgroup.Open(cgroup.Cgroupfs, n.cgroups)
	must(t, err)
	t.Cleanup(n.removeCgroups)
	pods, err := network.New(network.Options{BinDirs: []string{filepath.Join(dir, "plugins")}, ConfDir: filepath.Join(dir, "net.d"), CacheDir: filepath.Join(root, "cni")})
	must(t, err)
	modules, err := runtime.NewModules(runtime.ModulesOptions{Dir: filepath.Join(root, "modules"), WorkerPath: workerPath, Cgroups: cgroups})
	must(t, err)
	sandboxes, err := sandbox.New(sandbox.Options{Root: root, State: state, Network: pods, Cgroups: cgroups})
	must(t, err)
	t.Cleanup(sandboxes.Close)
	images, err := imageservice.New(t.Context(), imageservice.Options{Root: root})
	must(t, err)
	t.Cleanup(func() { must(t, images.Close()) })
	containers, err := runtime.New(runtime.Options{
		Root: root, State: state, WorkerPath: workerPath,
		Sandboxes: sandboxes, Images: images, Cgroups: cgroups, Modules: modules,
	})
	must(t, err)
	t.Cleanup(containers.Close)
	must(t, sandboxes.Recover(t.Context()))
	must(t, containers.Recover(t.Context()))
	streams, err := streaming.Listen(t.Context(), streaming.Options{Address: "127.0.0.1:0", Sandboxes: sandboxes, Runtime: containers, Work: func() func() { return func() {} }})
	must(t, err)
	t.Cleanup(func() { must(t, streams.Close()) })

	options := Options{
		Runtime: containers, Sandboxes: sandboxes, Images: images, Streams: streams, Version: "v0.0.1",
		Handlers: []string{"wasm"}, DefaultHandler: "wasm", CgroupDriver: cgroups.Driver(),
		Info: map[string]any{"config": map[string]string{"root": root}},
	}
	for _, f := range change {
		f(&options)
	}
	var more []grpc.ServerOption
	if options.Upstream != nil {
		more = append(more, grpc.UnknownServiceHandler(options.Upstream.PassUnknown))
	}
	endpoint := New(options)
	t.Cleanup(endpoint.Close)
	conn, logs := serve(t, always, endpoint.Register, more...)
	n.sandboxes, n.containers, n.conn, n.log = sandboxes, containers, conn, logs
	n.runtime, err = criclient.NewRemoteRuntimeServiceBuilder().
		WithEndpoint(conn.Target()).WithConnectionTimeout(time.Minute).WithUseStreaming(true).Build(t.Context())
	must(t, err)
	n.images, err = criclient.NewRemoteImageServiceBuilder().
		WithEndpoint(conn.Target()).WithConnectionTimeout(time.Minute).WithUseStreaming(true).Build(t.Context())
	must(t, err)
	t.Cleanup(n.close)
	return n
}

// close removes every pod through the API and looks for what stays.
func (n *testNode) close() {
	ctx := context.Background() // the test's own has ended
	pods, err := n.runtime.ListPodSandbox(ctx, nil)
	must(n.t, err)
	for _, p := range pods {
		must(n.t, n.runtime.StopPodSandbox(ctx, p.GetId()))
		must(n.t, n.runtime.RemovePodSandbox(ctx, p.GetId()))
	}
	containers, err := n.runtime.ListContainers(ctx, nil)
	must(n.t, err)
	if len(containers) > 0 {
		n.t.Errorf("containers without a pod: %v", containers)
	}
	for _, left := range []string{"run/containers/*", "run/sandboxes/*", "run/netns/*", "root/records/*/*.json"} {
		if files, err := filepath.Glob(filepath.Join(n.dir, left)); err != nil || len(files) > 0 {
			n.t.Errorf("left behind: %q, %v", files, err)
		}
	}
	must(n.t, n.runtime.Close(ctx))
	must(n.t, n.images.Close(ctx))
}

// removeCgroups removes the node's own group. All that may be in it is the
// group where compilers have theirs.
func (n *testNode) removeCgroups() {
	var groups []string
	for _, pattern := range []string{"/sys/fs/cgroup/*" + n.cgroups, "/sys/fs/cgroup" + n.cgroups} {
		for _, below := range []string{"/*", ""} {
			found, err := filepath.Glob(pattern + below)
			must(n.t, err)
			groups = append(groups, found...)
		}
	}
	for _, group := range groups {
		info, err := os.Stat(group)
		if err != nil || !info.IsDir() {
			continue
		}
		if name := filepath.Base(group); name != "compiler" && "/"+name != n.cgroups {
			n.t.Errorf("cgroup left behind: %s", group)
		}
		if err := os.Remove(group); err != nil {
			n.t.Error(err)
		}
	}
}

func (n *testNode) startRegistry() {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	n.t.Cleanup(server.Close)
	n.registry = server.Listener.Addr().String()
	n.push = image.Registry{Dial: func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", n.registry)
	}}
}

// addNetwork gives the node a pod network whose only plugin says that each pod
// has the same two addresses, and leaves the interfaces alone.
func (n *testNode) addNetwork() {
	n.t.Helper()
	for name, f := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"net.d/10-test.conflist": {`{"cniVersion":"1.0.0","name":"test","plugins":[{"type":"same"}]}`, 0o644},
		"plugins/same": {`#!/bin/sh
cat >/dev/null
case "$CNI_COMMAND" in
VERSION) echo '{"cniVersion":"1.0.0","supportedVersions":["1.0.0"]}' ;;
ADD) echo '{"cniVersion":"1.0.0","ips":[{"address":"10.1.2.3/24"},{"address":"fd00::3/64"}]}' ;;
esac
`, 0o755},
	} {
		path := filepath.Join(n.dir, name)
		must(n.t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(n.t, os.WriteFile(path, []byte(f.text), f.mode))
	}
}
