// SPDX-License-Identifier: Apache-2.0

package install_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wazelet/wazelet/cri/nodeclient"
	"github.com/wazelet/wazelet/integration/guests"
	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/parts"
)

// nativeImage holds a program that does nothing until it is told to end.
const nativeImage = "registry.example/native:1"

// node is a node that runs containers with containerd.
type node struct {
	*lab.Cluster
	t   *testing.T
	ctx context.Context
}

// newNode brings a node up with container pods on it.
func newNode(t *testing.T) *node {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	t.Cleanup(cancel)
	repo, err := parts.Repo()
	if err != nil {
		t.Fatal(err)
	}
	if err := guests.Build(ctx, repo, filepath.Join(parts.Cache(repo), "guests")); err != nil {
		t.Fatal(err)
	}
	if err := lab.PrepareHost(ctx, os.Stderr); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "wazelet-install-")
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := lab.New(lab.Options{Dir: dir, Host: true})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{Cluster: cluster, t: t, ctx: ctx}
	t.Cleanup(n.down)
	if err := cluster.UpHost(ctx); err != nil {
		t.Fatal(err)
	}
	n.must(cluster.PushGuests(ctx))
	program, err := os.ReadFile(filepath.Join(cluster.PartsDir(), "pause"))
	n.must(err)
	n.must(cluster.ImportNative(ctx, nativeImage, "pause", program))
	n.must(cluster.Apply(ctx, containerPods))
	for _, pod := range []string{"pod/pair", "pod/host"} {
		n.must(cluster.Wait(ctx, "--for=condition=Ready", pod))
	}
	n.must(cluster.Wait(ctx, "--for=condition=Available", "deployment/replicas"))
	return n
}

// containerPods are what runs on the node before Wazelet.
const containerPods = `
apiVersion: v1
kind: Pod
metadata: {name: pair}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: one, image: 'registry.example/native:1', imagePullPolicy: Never}
  - {name: two, image: 'registry.example/native:1', imagePullPolicy: Never}
---
apiVersion: v1
kind: Pod
metadata: {name: host}
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: 'registry.example/native:1', imagePullPolicy: Never}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: replicas}
spec:
  replicas: 2
  selector: {matchLabels: {app: replicas}}
  template:
    metadata: {labels: {app: replicas}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: main, image: 'registry.example/native:1', imagePullPolicy: Never}]
`

// down takes the node down, and shows its logs when the test has failed.
func (n *node) down() {
	if n.t.Failed() {
		for _, daemon := range []string{"systemd", "units"} {
			n.t.Logf("--- %s\n%s", daemon, lab.Tail(n.LogFile(daemon), 25))
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := n.Down(ctx); err != nil {
		n.t.Error(err)
		return
	}
	if err := n.RemoveScratch(); err != nil {
		n.t.Error(err)
	}
}

func (n *node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// wazelet runs a command of the program that is to be installed, on the node.
func (n *node) wazelet(args ...string) (lab.Output, error) {
	repo, err := parts.Repo()
	n.must(err)
	out, err := n.Command(n.ctx, filepath.Join(repo, "bin", "wazelet"), args...)
	n.t.Logf("wazelet %s\n%s%s", strings.Join(args, " "), out.Stdout, out.Stderr)
	return out, err
}

// processes are containerd's containers and pods by their ids, each with its pid.
func (n *node) processes() map[string]int {
	n.t.Helper()
	client, err := nodeclient.New(n.ContainerdSocket())
	n.must(err)
	defer client.Close()
	list, err := client.Processes(n.ctx)
	n.must(err)
	pids := map[string]int{}
	for _, p := range list {
		if p.PID == 0 {
			n.t.Errorf("%+v has no pid", p)
		}
		pids[p.ID] = p.PID
	}
	return pids
}

// pods are the cluster's pods by name, each with its UID and what its containers have
// gone through.
func (n *node) pods() map[string]string {
	n.t.Helper()
	var list struct{ Items []lab.Pod }
	n.must(n.Get(n.ctx, &list, "pods"))
	pods := map[string]string{}
	for _, pod := range list.Items {
		text := pod.Metadata.UID
		for _, c := range pod.Status.ContainerStatuses {
			_, id, _ := strings.Cut(c.ContainerID, "://") // the scheme is the runtime's name
			text += fmt.Sprintf(" %s %s restarts=%d running=%v", c.Name, id, c.RestartCount, c.State.Running != nil)
		}
		pods[pod.Metadata.Name] = text
	}
	return pods
}

// waitRuntime waits until the kubelet reports a runtime, by its name. What it makes of the
// version depends on whether that is one.
func (n *node) waitRuntime(want string) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.ctx, time.Minute)
	defer cancel()
	for {
		var node struct {
			Status struct {
				NodeInfo struct{ ContainerRuntimeVersion string }
			}
		}
		n.must(n.Get(ctx, &node, "node", n.Node()))
		if strings.HasPrefix(node.Status.NodeInfo.ContainerRuntimeVersion, want+"://") {
			return
		}
		select { // the node's status is written on a timer
		case <-ctx.Done():
			n.t.Fatalf("the kubelet's runtime is %s, not %s", node.Status.NodeInfo.ContainerRuntimeVersion, want)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// mainPID is the pid of a unit's main process.
func (n *node) mainPID(unit string) string {
	n.t.Helper()
	out, err := n.Systemctl(n.ctx, "show", "--property=MainPID", "--value", unit)
	n.must(err)
	return strings.TrimSpace(out.Stdout)
}

// state is what must not change while Wazelet comes and goes.
type state struct {
	processes map[string]int
	pods      map[string]string
}

func (n *node) state() state { return state{n.processes(), n.pods()} }

// unchanged holds the node against a state before: the same processes, and the same pods
// whose containers were not restarted.
func (n *node) unchanged(what string, before state) {
	n.t.Helper()
	now := n.state()
	if !maps.Equal(now.processes, before.processes) {
		n.t.Errorf("%s: the runtime's processes are\n%v, were\n%v", what, now.processes, before.processes)
	}
	for name, pod := range before.pods {
		if now.pods[name] != pod {
			n.t.Errorf("%s: pod %s is\n%s, was\n%s", what, name, now.pods[name], pod)
		}
	}
}

// files are the digests of all files below folders of the node's, by their paths; those
// of a folder that is not there are none.
func (n *node) files(dirs ...string) map[string]string {
	n.t.Helper()
	out, err := n.Command(n.ctx, "sh", append([]string{"-c", `for dir; do if [ -d "$dir" ]; then find "$dir" -type f -exec sha256sum {} + -o -type l -printf 'link:%l %p\n'; fi; done`, "sh"}, dirs...)...)
	n.must(err)
	files := map[string]string{}
	for line := range strings.Lines(out.Stdout) {
		sum, path, _ := strings.Cut(strings.TrimSpace(line), " ")
		files[strings.TrimSpace(path)] = sum
	}
	return files
}
