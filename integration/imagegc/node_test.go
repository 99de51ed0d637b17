// SPDX-License-Identifier: Apache-2.0

package imagegc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wazelet/wazelet/integration/lab"
)

// node is the test's view of the node.
type node struct {
	t   *testing.T
	ctx context.Context
}

// container is a running one.
type container struct {
	id  string
	pid int
}

// keep starts the pod that goes on and returns its container.
func (n node) keep() container {
	n.t.Helper()
	n.apply("keeper", `
  containers:
  - name: main
    image: `+keeperImage+`
    command: [/keep.wasm]
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, image: {reference: '`+volumeImage+`'}}]`)
	pod, err := cluster.WaitPod(n.ctx, "default", "keeper", lab.Running)
	if err != nil {
		n.t.Fatal(err)
	}
	return n.container(pod)
}

func (n node) container(pod *lab.Pod) container {
	n.t.Helper()
	_, id, _ := strings.Cut(pod.Container("main").ContainerID, "://")
	var inspected struct{ Info struct{ Pid int } }
	n.crictl(&inspected, "inspect", id)
	return container{id, inspected.Info.Pid}
}

// only is nil when there is no other container, also none that has ended.
func (n node) only(keeper container) error {
	out, err := cluster.Crictl(n.ctx, "ps", "--all", "--quiet")
	if ids := strings.TrimSpace(out.Stdout); err == nil && ids != keeper.id {
		return fmt.Errorf("containers %q, want %s", ids, keeper.id)
	}
	return err
}

// removeEnded removes all containers but one, which the kubelet would within a minute.
func (n node) removeEnded(keeper container) error {
	out, err := cluster.Crictl(n.ctx, "ps", "--all", "--state", "Exited", "--quiet")
	if ended := strings.Fields(out.Stdout); err == nil && len(ended) > 0 {
		_, err = cluster.Crictl(n.ctx, append([]string{"rm"}, ended...)...)
	}
	return errors.Join(err, n.only(keeper))
}

// goesOn checks that the container is as it was.
func (n node) goesOn(keeper container) {
	n.t.Helper()
	pod, err := cluster.Pod(n.ctx, "default", "keeper")
	if err != nil {
		n.t.Fatal(err)
	}
	if now := n.container(pod); now != keeper || !lab.Ready(pod) || pod.Container("main").RestartCount != 0 {
		n.t.Errorf("pod keeper has the container %v, had %v: %+v", now, keeper, pod.Status)
	}
}

// startsAgain ends the container, which needs no pull and no compiler to come back.
func (n node) startsAgain(keeper container) {
	n.t.Helper()
	pulled, compiled := n.logged("image pulled"), n.logged("module compiled")
	n.crictl(nil, "stop", keeper.id)
	pod, err := cluster.WaitPod(n.ctx, "default", "keeper", func(pod *lab.Pod) bool {
		return lab.Restarted("main", 1)(pod) && lab.Ready(pod)
	})
	if err != nil {
		n.t.Fatal(err)
	}
	if now := n.container(pod); now.id == keeper.id || now.pid == keeper.pid {
		n.t.Errorf("container %v, was %v before", now, keeper)
	}
	if p, c := n.logged("image pulled"), n.logged("module compiled"); p != pulled || c != compiled {
		n.t.Errorf("to start again took %d pulls and %d compilers", p-pulled, c-compiled)
	}
}

// logged is how often wazelet has said so.
func (n node) logged(message string) int {
	n.t.Helper()
	log, err := os.ReadFile(cluster.LogFile("wazelet"))
	if err != nil {
		n.t.Fatal(err)
	}
	return strings.Count(string(log), fmt.Sprintf("msg=%q", message))
}

// nothingFailed checks that no call needed room on the disk.
func (n node) nothingFailed() {
	n.t.Helper()
	log, err := os.ReadFile(cluster.LogFile("wazelet"))
	if err != nil {
		n.t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "msg=rpc") && strings.Contains(line, "no space left") {
			n.t.Errorf("a call failed: %s", line)
		}
	}
}

// name is the last part of an image's.
func name(ref string) string {
	return strings.TrimSuffix(strings.TrimPrefix(ref, prefix), ":1")
}

// run is runs with a pull of the image.
func (n node) run(name, ref, command string) {
	n.t.Helper()
	before := n.logged("image pulled")
	n.runs(name, ref, command)
	if pulls := n.logged("image pulled") - before; pulls != 1 {
		n.t.Errorf("pod %s: %d pulls, want 1", name, pulls)
	}
}

// runs runs a pod of the image to its end and deletes it.
func (n node) runs(name, ref, command string) {
	n.t.Helper()
	n.finish(name, ref, command)
	n.delete(name)
}

// finish runs a pod of the image to its end.
func (n node) finish(name, ref, command string) {
	n.t.Helper()
	spec := "\n  restartPolicy: Never\n  containers:\n  - name: main\n    image: " + ref
	if command != "" {
		spec += "\n    command: ['" + command + "']"
	}
	n.apply(name, spec)
	if _, err := cluster.WaitPod(n.ctx, "default", name, lab.Succeeded); err != nil {
		n.t.Fatal(err)
	}
}

func (n node) delete(pod string) {
	n.t.Helper()
	if err := cluster.Delete(n.ctx, "default", "pod/"+pod); err != nil {
		n.t.Fatal(err)
	}
}

func (n node) apply(name, spec string) {
	n.t.Helper()
	manifest := "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + "}\nspec:\n  runtimeClassName: wasm" + spec + "\n"
	if err := cluster.Apply(n.ctx, manifest); err != nil {
		n.t.Fatal(err)
	}
}

// images are the names of the images on the node, sorted.
func (n node) images() []string {
	n.t.Helper()
	var list struct{ Images []struct{ RepoTags []string } }
	n.crictl(&list, "images")
	names := map[string]bool{}
	for _, image := range list.Images {
		for _, tag := range image.RepoTags {
			names[tag] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// crictl decodes what crictl prints, unless v is nil.
func (n node) crictl(v any, args ...string) {
	n.t.Helper()
	if v != nil {
		args = slices.Concat(args[:1], []string{"--output", "json"}, args[1:])
	}
	out, err := cluster.Crictl(n.ctx, args...)
	if err == nil && v != nil {
		err = json.Unmarshal([]byte(out.Stdout), v)
	}
	if err != nil {
		n.t.Fatal(err)
	}
}

// measured is nil once the kubelet measures the image file system, and no other.
func (n node) measured() error {
	summary, err := cluster.Kubelet(n.ctx, "/stats/summary")
	if err != nil {
		return err
	}
	var s struct {
		Node struct {
			Runtime struct {
				ImageFs struct{ AvailableBytes, CapacityBytes, UsedBytes uint64 }
			}
		}
	}
	if err := json.Unmarshal([]byte(summary), &s); err != nil {
		return err
	}
	fs := s.Node.Runtime.ImageFs
	if fs.CapacityBytes == 0 || fs.CapacityBytes > rootSize || fs.AvailableBytes+fs.UsedBytes > fs.CapacityBytes {
		return fmt.Errorf("the kubelet says of the image file system: %+v", fs)
	}
	return nil
}

// waitPressure waits until the node's condition DiskPressure is as wanted.
func (n node) waitPressure(want string) {
	n.t.Helper()
	if err := cluster.Wait(n.ctx, "--for=condition=DiskPressure="+want, "node/"+cluster.Node()); err != nil {
		n.t.Fatal(err)
	}
}

func (n node) waitEvent(reason, text string) {
	n.t.Helper()
	if _, err := cluster.WaitEvent(n.ctx, "default", cluster.Node(), reason, text); err != nil {
		n.t.Fatal(err)
	}
}

// until asks until the answer is nil.
func (n node) until(ask func() error) {
	n.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-n.ctx.Done():
			n.t.Fatal(err)
		case <-tick.C:
		}
	}
}
