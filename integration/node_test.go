// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/critest"
	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/parts"
)

// node is a wazelet of its own, without a kubelet, beside the cluster's: what a
// test does to it no kubelet undoes. It lives in the cluster's namespaces and has
// its own folders, bridge network and cgroups.
type node struct {
	t      testing.TB
	ctx    context.Context
	dir    string
	parent string // its cgroup, a path in each hierarchy
	daemon *exec.Cmd
	log    *os.File
	conn   *grpc.ClientConn
}

// nodes counts the nodes, each of which has a network of its own.
var nodes = make(chan int, 1)

func init() { nodes <- 0 }

// mirrored are the registries whose images the laboratory's registry has.
var mirrored = append([]string{lab.Registry}, critest.Hosts...)

// newNode starts a node and waits until it answers. At the end of the test
// everything on it is removed, and nothing may be left.
func newNode(t *testing.T) *node {
	t.Helper()
	return newNodeFor(t, testTimeout)
}

// newNodeFor is newNode for a test that takes longer than others.
func newNodeFor(t *testing.T, timeout time.Duration) *node {
	t.Helper()
	return newNodeWith(t, timeout, "")
}

// newNodeWith is newNodeFor with more TOML in the configuration.
func newNodeWith(t testing.TB, timeout time.Duration, more string) *node {
	t.Helper()
	number := <-nodes + 1
	nodes <- number
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	t.Cleanup(cancel)
	n := &node{
		t: t, ctx: ctx,
		dir:    filepath.Join(cluster.Dir(), fmt.Sprintf("node%d", number)),
		parent: fmt.Sprintf("/%s/node%d", labCgroup(t), number),
	}
	n.write("cni/10-net.conflist", fmt.Sprintf(`{
  "cniVersion": "1.0.0", "name": "net", "plugins": [{
    "type": "bridge", "bridge": "cni%[2]d", "isGateway": true,
    "ipam": {"type": "host-local", "dataDir": "%[1]s/leases", "ranges": [[{"subnet": "10.%[2]d.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}
  }, {"type": "portmap", "capabilities": {"portMappings": true}}]
}`, n.dir, 100+number))
	for _, host := range mirrored {
		n.write("hosts.d/"+host+"/hosts.toml", "server = \"http://127.0.0.1:5000\"\n")
	}
	n.write("config.toml", fmt.Sprintf(`version = 1
root = "%[1]s/root"
state = "%[1]s/run"
[grpc]
address = "%[1]s/run/wazelet.sock"
[log]
level = "info"
[cgroup]
parent = "%[2]s"
[network]
bin_dirs = ["%[1]s/plugins", "%[3]s"]
conf_dir = "%[1]s/cni"
[image]
hosts_dir = "%[1]s/hosts.d"
[worker]
toolbox = %[4]t
%[5]s`, n.dir, n.parent, filepath.Join(cluster.PartsDir(), "cni"), false, more))
	n.start()
	t.Cleanup(n.close)
	return n
}

// labCgroup returns the name of the laboratory's branch of the cgroup hierarchies.
func labCgroup(t testing.TB) string {
	t.Helper()
	own := readFile(t, fmt.Sprintf("/proc/%d/cgroup", cluster.PID("etcd")))
	match := regexp.MustCompile(`:/(wazelet-lab-[^/\n]+)/`).FindStringSubmatch(own)
	if match == nil {
		t.Fatalf("etcd is not in a cgroup of the laboratory:\n%s", own)
	}
	return match[1]
}

func (n *node) write(name, content string) {
	n.t.Helper()
	path := filepath.Join(n.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		n.t.Fatal(err)
	}
	writeFile(n.t, path, content)
}

func (n *node) socket() string { return filepath.Join(n.dir, "run", "wazelet.sock") }

// start starts the daemon and waits until it answers.
func (n *node) start() {
	n.t.Helper()
	var err error
	if n.log, err = os.OpenFile(filepath.Join(n.dir, "wazelet.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		n.t.Fatal(err)
	}
	repo, err := parts.Repo()
	if err != nil {
		n.t.Fatal(err)
	}
	n.daemon = exec.Command(filepath.Join(repo, "bin", "wazelet"), "serve", "--config", filepath.Join(n.dir, "config.toml"))
	n.daemon.Stdout, n.daemon.Stderr = n.log, n.log
	if err := cluster.Start(n.daemon); err != nil {
		n.t.Fatal(err)
	}
	n.conn, err = grpc.NewClient("unix://"+n.socket(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		n.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(n.ctx, 20*time.Second)
	defer cancel()
	err = poll(ctx, func() error {
		_, err := n.runtime().ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{})
		return err
	})
	if err != nil {
		n.t.Fatalf("wazelet does not answer: %v\n%s", err, readFile(n.t, n.log.Name()))
	}
}

func (n *node) runtime() runtimeapi.RuntimeServiceClient {
	return runtimeapi.NewRuntimeServiceClient(n.conn)
}

func (n *node) images() runtimeapi.ImageServiceClient {
	return runtimeapi.NewImageServiceClient(n.conn)
}

// stop ends the daemon with the signal.
func (n *node) stop(signal unix.Signal) {
	n.t.Helper()
	if err := errors.Join(n.conn.Close(), n.daemon.Process.Signal(signal)); err != nil {
		n.t.Error(err)
	}
	if err := n.daemon.Wait(); err != nil && signal != unix.SIGKILL {
		n.t.Errorf("wazelet: %v", err)
	}
	n.log.Close()
}

// close removes every sandbox, looks for remains and ends the daemon.
func (n *node) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	list, err := n.runtime().ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{})
	if err != nil {
		n.t.Error(err)
	}
	for _, sandbox := range list.GetItems() {
		if _, err := n.runtime().RemovePodSandbox(ctx, &runtimeapi.RemovePodSandboxRequest{PodSandboxId: sandbox.Id}); err != nil {
			n.t.Error(err)
		}
	}
	n.clean()
	n.stop(unix.SIGTERM)
	for _, group := range n.cgroups() {
		if err := os.Remove(group); err != nil {
			n.t.Error(err)
		}
	}
	if n.t.Failed() {
		n.t.Logf("the end of wazelet's log:\n%s", tail(readFile(n.t, n.log.Name()), 8<<10))
	}
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// clean fails the test when anything of a sandbox or container is left.
func (n *node) clean() {
	n.t.Helper()
	if left := n.remains(); len(left) > 0 {
		n.t.Errorf("left behind:\n  %s", strings.Join(left, "\n  "))
	}
}

// remains lists the files, addresses, mounts and cgroups of sandboxes and
// containers. Without any, there is none.
func (n *node) remains() []string {
	n.t.Helper()
	var left []string
	for _, pattern := range []string{
		"run/netns/*", "run/sandboxes/*", "run/containers/*", "root/records/*/[^_]*", "leases/net/10.*", "leases/net/*:*",
	} {
		found, err := filepath.Glob(filepath.Join(n.dir, pattern))
		if err != nil {
			n.t.Fatal(err)
		}
		left = append(left, found...)
	}
	for line := range strings.Lines(readFile(n.t, fmt.Sprintf("/proc/%d/mountinfo", n.daemon.Process.Pid))) {
		if point := strings.Fields(line)[4]; strings.HasPrefix(point, n.dir+"/") && strings.Count(point[len(n.dir):], "/") > 2 {
			left = append(left, "mount "+point)
		}
	}
	for _, group := range n.cgroups() {
		// The node's own and its compilers' stay.
		if name := filepath.Base(group); name != filepath.Base(n.parent) && name != "compiler" {
			left = append(left, "cgroup "+group)
		}
	}
	return left
}

// cgroups lists the node's cgroups in every hierarchy, children first.
func (n *node) cgroups() []string {
	n.t.Helper()
	roots, err := filepath.Glob(cgroupRoot + "/*" + n.parent)
	if err != nil {
		n.t.Fatal(err)
	}
	var groups []string
	for _, root := range append(roots, cgroupRoot+n.parent) {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil && d.IsDir() {
				groups = append(groups, path)
			}
			return err
		})
		if err != nil {
			n.t.Fatal(err)
		}
	}
	slices.Reverse(groups)
	return groups
}

// crictl runs crictl against the node and returns its standard output.
func (n *node) crictl(args ...string) string {
	n.t.Helper()
	endpoint := "unix://" + n.socket()
	out, err := cluster.Crictl(n.ctx, append([]string{"--runtime-endpoint", endpoint, "--image-endpoint", endpoint}, args...)...)
	if err != nil {
		n.t.Fatal(err)
	}
	return out.Stdout
}

// pull pulls an image.
func (n *node) pull(ref string) {
	n.t.Helper()
	request := &runtimeapi.PullImageRequest{Image: &runtimeapi.ImageSpec{Image: ref}}
	if _, err := n.images().PullImage(n.ctx, request); err != nil {
		n.t.Fatal(err)
	}
}

// sandboxConfig is the configuration of a sandbox with the name.
func (n *node) sandboxConfig(name string) *runtimeapi.PodSandboxConfig {
	return &runtimeapi.PodSandboxConfig{
		Metadata:     &runtimeapi.PodSandboxMetadata{Name: name, Namespace: "default", Uid: "uid-of-" + name},
		Hostname:     name,
		LogDirectory: filepath.Join(n.dir, "logs", name),
		Linux:        &runtimeapi.LinuxPodSandboxConfig{},
	}
}

// sandbox makes a sandbox and returns its id.
func (n *node) sandbox(config *runtimeapi.PodSandboxConfig) string {
	n.t.Helper()
	response, err := n.runtime().RunPodSandbox(n.ctx, &runtimeapi.RunPodSandboxRequest{Config: config, RuntimeHandler: "wasm"})
	if err != nil {
		n.t.Fatal(err)
	}
	return response.PodSandboxId
}

// containerRequest asks for a container of the image in the sandbox.
func (n *node) containerRequest(sandbox string, config *runtimeapi.PodSandboxConfig, name, image string) *runtimeapi.CreateContainerRequest {
	return &runtimeapi.CreateContainerRequest{
		PodSandboxId: sandbox,
		Config: &runtimeapi.ContainerConfig{
			Metadata: &runtimeapi.ContainerMetadata{Name: name},
			Image:    &runtimeapi.ImageSpec{Image: image},
			LogPath:  name + ".log",
			Linux:    &runtimeapi.LinuxContainerConfig{},
		},
		SandboxConfig: config,
	}
}

// create makes a container and returns its id.
func (n *node) create(request *runtimeapi.CreateContainerRequest) string {
	n.t.Helper()
	response, err := n.runtime().CreateContainer(n.ctx, request)
	if err != nil {
		n.t.Fatal(err)
	}
	return response.ContainerId
}

// status returns a container's status.
func (n *node) status(id string) *runtimeapi.ContainerStatus {
	n.t.Helper()
	response, err := n.runtime().ContainerStatus(n.ctx, &runtimeapi.ContainerStatusRequest{ContainerId: id})
	if err != nil {
		n.t.Fatal(err)
	}
	return response.Status
}

// until asks until the answer is nil.
func (n *node) until(ask func() error) {
	n.t.Helper()
	if err := poll(n.ctx, ask); err != nil {
		n.t.Fatal(err)
	}
}
