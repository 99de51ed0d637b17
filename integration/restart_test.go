// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// TestStates are found again by a daemon that was killed: created, running,
// exited and a stopped sandbox.
func TestStates(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.pull("registry.example/tiny/pause:1.0")
	n.pull("registry.example/tiny/exit:1.0")
	config := n.sandboxConfig("pod")
	sandbox := n.sandbox(config)
	stopped := n.sandbox(n.sandboxConfig("stopped"))
	if _, err := n.runtime().StopPodSandbox(n.ctx, &runtimeapi.StopPodSandboxRequest{PodSandboxId: stopped}); err != nil {
		t.Fatal(err)
	}
	container := func(name, image string) string {
		request := n.containerRequest(sandbox, config, name, image)
		request.Config.Labels = map[string]string{"name": name}
		request.Config.Annotations = map[string]string{"of": "the kubelet"}
		return n.create(request)
	}
	created := container("created", "registry.example/tiny/pause:1.0")
	running := container("running", "registry.example/tiny/pause:1.0")
	exited := container("exited", "registry.example/tiny/exit:1.0")
	for _, id := range []string{running, exited} {
		if _, err := n.runtime().StartContainer(n.ctx, &runtimeapi.StartContainerRequest{ContainerId: id}); err != nil {
			t.Fatal(err)
		}
	}
	n.until(func() error {
		if state := n.status(exited).State; state != runtimeapi.ContainerState_CONTAINER_EXITED {
			return fmt.Errorf("state %s", state)
		}
		return nil
	})
	before := map[string]*runtimeapi.ContainerStatus{created: n.status(created), running: n.status(running), exited: n.status(exited)}

	n.stop(unix.SIGKILL)
	n.start()

	for id, was := range before {
		if is := n.status(id); is.String() != was.String() {
			t.Errorf("container %s\nwas %v\nis  %v", was.Metadata.Name, was, is)
		}
	}
	equal(t, "exit code", n.status(exited).ExitCode, 7)
	states := map[string]runtimeapi.PodSandboxState{}
	list, err := n.runtime().ListPodSandbox(n.ctx, &runtimeapi.ListPodSandboxRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range list.Items {
		states[item.Id] = item.State
	}
	equal(t, "state of the pod", states[sandbox], runtimeapi.PodSandboxState_SANDBOX_READY)
	equal(t, "state of the stopped pod", states[stopped], runtimeapi.PodSandboxState_SANDBOX_NOTREADY)
	// What was created before the kill can be started after it.
	if _, err := n.runtime().StartContainer(n.ctx, &runtimeapi.StartContainerRequest{ContainerId: created}); err != nil {
		t.Errorf("start the created container: %v", err)
	}
	equal(t, "its state", n.status(created).State, runtimeapi.ContainerState_CONTAINER_RUNNING)
}

// TestNoPartialList asks all the time while wazelet is killed and started again:
// until it has found all its pods it is not available, and never shows half.
func TestNoPartialList(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	const pods = 6
	for i := range pods {
		n.sandbox(n.sandboxConfig(fmt.Sprintf("pod%d", i)))
	}
	n.stop(unix.SIGKILL)
	ctx, cancel := context.WithCancel(n.ctx)
	defer cancel()
	seen := make(chan map[string]bool)
	go func() {
		answers := map[string]bool{}
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			answers[n.listOnce()] = true
			<-tick.C
		}
		seen <- answers
	}()
	n.start()
	cancel()
	answers := <-seen
	delete(answers, codes.Unavailable.String())
	if want := fmt.Sprintf("%d sandboxes", pods); len(answers) != 1 || !answers[want] {
		t.Errorf("answers: %v, want %s alone", answers, want)
	}
}

// listOnce asks for the sandboxes over a connection of its own and returns how
// many there are, or the code of the error.
func (n *node) listOnce() string {
	conn, err := grpc.NewClient("unix://"+n.socket(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	response, err := runtimeapi.NewRuntimeServiceClient(conn).ListPodSandbox(n.ctx, &runtimeapi.ListPodSandboxRequest{})
	if err != nil {
		return status.Code(err).String()
	}
	return fmt.Sprintf("%d sandboxes", len(response.Items))
}

// TestCorruptRecords do not keep wazelet from finding its other pods.
func TestCorruptRecords(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.pull("registry.example/tiny/pause:1.0")
	config := n.sandboxConfig("good")
	sandbox := n.sandbox(config)
	container := n.create(n.containerRequest(sandbox, config, "main", "registry.example/tiny/pause:1.0"))
	n.stop(unix.SIGKILL)
	damaged := strings.Repeat("0", 64) + ".json"
	for _, kind := range []string{"sandboxes", "containers"} {
		n.write("root/records/"+kind+"/"+damaged, `{"version": 1, "checks`)
		n.write("root/records/"+kind+"/notes.txt", "somebody was here")
	}
	n.start()
	equal(t, "state", n.status(container).State, runtimeapi.ContainerState_CONTAINER_CREATED)
	equal(t, "sandboxes", n.listOnce(), "1 sandboxes")
	for _, kind := range []string{"sandboxes", "containers"} {
		dir := filepath.Join(n.dir, "root/records", kind, "corrupt")
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 2 {
			t.Errorf("%s: files set aside: %v, %v; want two", kind, entries, err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}
}

// TestLostState is what a reboot leaves: the records, and nothing of what they
// tell of. The pods are shown as ended, and can be removed.
func TestLostState(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.pull("registry.example/tiny/pause:1.0")
	config := n.sandboxConfig("pod")
	sandbox := n.sandbox(config)
	container := n.create(n.containerRequest(sandbox, config, "main", "registry.example/tiny/pause:1.0"))
	if _, err := n.runtime().StartContainer(n.ctx, &runtimeapi.StartContainerRequest{ContainerId: container}); err != nil {
		t.Fatal(err)
	}
	pid := workerPid(t, container)
	n.stop(unix.SIGKILL)
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	n.until(func() error {
		if err := unix.Kill(pid, 0); errors.Is(err, unix.ESRCH) {
			return nil
		}
		return fmt.Errorf("process %d still runs", pid)
	})
	if _, err := cluster.Command(n.ctx, "umount", filepath.Join(n.dir, "run/netns", sandbox)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(n.dir, "run")); err != nil {
		t.Fatal(err)
	}
	n.start()
	response, err := n.runtime().PodSandboxStatus(n.ctx, &runtimeapi.PodSandboxStatusRequest{PodSandboxId: sandbox})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "sandbox", response.Status.State, runtimeapi.PodSandboxState_SANDBOX_NOTREADY)
	status := n.status(container)
	equal(t, "container", status.State, runtimeapi.ContainerState_CONTAINER_EXITED)
	if status.ExitCode == 0 || status.FinishedAt == 0 || status.Reason == "" {
		t.Errorf("end: %v", status)
	}
}
