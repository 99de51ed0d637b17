// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"go.uber.org/goleak"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	criclient "k8s.io/cri-client/pkg"
	"k8s.io/klog/v2"

	"github.com/wazelet/wazelet/cgroup"
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
	t        *testing.T
	dir      string
	logs     string // log directory of the pods
	cgroups  string // the node's own cgroup
	registry string // host:port
	push     image.Registry
	log      *logBuffer

	runtime internalapi.RuntimeService
	images  internalapi.ImageManagerService
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

func newNode(t *testing.T) *testNode {
	t.Helper()
	captureLog(t)
	dir, err := os.MkdirTemp("", "cri") // short: it holds sockets
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	n := &testNode{t: t, dir: dir, logs: filepath.Join(dir, "logs"), cgroups: fmt.Sprintf("/wazelet-cri-%d", os.Getpid())}
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

	conn, logs := serve(t, always, New(Options{
		Runtime: containers, Sandboxes: sandboxes, Images: images, Version: "v0.0.1",
		Handlers: []string{"wasm"}, DefaultHandler: "wasm", CgroupDriver: cgroups.Driver(),
		Info: map[string]any{"config": map[string]string{"root": root}},
	}).Register)
	n.log = logs
	// Streaming lists are asked for, so that the client's way back is tested.
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

// ref is a name in the node's registry.
func (n *testNode) ref(name string) string { return n.registry + "/" + name }

// publish pushes an image under a name and returns its reference.
func (n *testNode) publish(name string, img v1.Image, err error) string {
	n.t.Helper()
	must(n.t, err)
	_, err = n.push.Push(n.t.Context(), n.ref(name), img)
	must(n.t, err)
	return n.ref(name)
}

// publishModule pushes a Wasm artifact.
func (n *testNode) publishModule(name string, wasm []byte) string {
	n.t.Helper()
	img, err := image.Module(wasm)
	return n.publish(name, img, err)
}

// pull pulls an image and returns its id.
func (n *testNode) pull(ref string) string {
	n.t.Helper()
	id, err := n.images.PullImage(n.t.Context(), &runtimeapi.ImageSpec{Image: ref}, nil, nil)
	must(n.t, err)
	return id
}

// pod is the config of a pod on the node's network.
func (n *testNode) pod(name string) *runtimeapi.PodSandboxConfig {
	return &runtimeapi.PodSandboxConfig{
		Metadata:     &runtimeapi.PodSandboxMetadata{Name: name, Namespace: "default", Uid: "uid-" + name},
		LogDirectory: filepath.Join(n.logs, name),
		Labels:       map[string]string{"app": name},
		Linux: &runtimeapi.LinuxPodSandboxConfig{SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{
			NamespaceOptions: &runtimeapi.NamespaceOption{Network: runtimeapi.NamespaceMode_NODE, Pid: runtimeapi.NamespaceMode_CONTAINER},
		}},
	}
}

// run runs a pod and returns its id.
func (n *testNode) run(config *runtimeapi.PodSandboxConfig) string {
	n.t.Helper()
	id, err := n.runtime.RunPodSandbox(n.t.Context(), config, "")
	must(n.t, err)
	return id
}

// container is the config of a container as the kubelet fills it.
func (n *testNode) container(name, ref, id string) *runtimeapi.ContainerConfig {
	return &runtimeapi.ContainerConfig{
		Metadata: &runtimeapi.ContainerMetadata{Name: name},
		Image:    &runtimeapi.ImageSpec{Image: id, UserSpecifiedImage: ref},
		LogPath:  name + "/0.log",
		Labels:   map[string]string{"container": name},
	}
}

// create makes a container and returns its id.
func (n *testNode) create(podID string, config *runtimeapi.ContainerConfig, pod *runtimeapi.PodSandboxConfig) string {
	n.t.Helper()
	id, err := n.runtime.CreateContainer(n.t.Context(), podID, config, pod)
	must(n.t, err)
	return id
}

// status is a container's status.
func (n *testNode) status(id string) *runtimeapi.ContainerStatus {
	n.t.Helper()
	resp, err := n.runtime.ContainerStatus(n.t.Context(), id, false)
	must(n.t, err)
	return resp.GetStatus()
}

// awaitExit waits for a container's end. CRI has no event to wait for that is
// served yet, so this asks as the kubelet does.
func (n *testNode) awaitExit(id string) *runtimeapi.ContainerStatus {
	n.t.Helper()
	return n.await(id, func(s *runtimeapi.ContainerStatus) bool {
		return s.GetState() == runtimeapi.ContainerState_CONTAINER_EXITED
	})
}

func (n *testNode) await(id string, done func(*runtimeapi.ContainerStatus) bool) *runtimeapi.ContainerStatus {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		s := n.status(id)
		if done(s) {
			return s
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			n.t.Fatalf("container %s stays %v", id, s)
		}
	}
}

// logText is what a container has written, without times and tags.
func logText(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	var text strings.Builder
	for line := range strings.Lines(string(data)) {
		if words := strings.SplitN(line, " ", 4); len(words) == 4 {
			text.WriteString(words[1] + ":" + words[3])
		}
	}
	return text.String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ids are the keys that a function gives for a list, sorted.
func ids[T any](list []T, id func(T) string) []string {
	all := map[string]bool{}
	for _, item := range list {
		all[id(item)] = true
	}
	return slices.Sorted(maps.Keys(all))
}
