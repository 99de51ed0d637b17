// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// odd adds a shell script to the node's network, as the first or the last of its
// plugins.
func (n *node) odd(first bool, script string) {
	n.t.Helper()
	n.write("plugins/odd", "#!/bin/sh\ncat >/dev/null\n"+script)
	if err := os.Chmod(filepath.Join(n.dir, "plugins/odd"), 0o755); err != nil {
		n.t.Fatal(err)
	}
	conf := readFile(n.t, filepath.Join(n.dir, "cni/10-net.conflist"))
	if first {
		conf = replace(conf, `"plugins": [`, `"plugins": [{"type": "odd"}, `)
	} else {
		conf = replace(conf, `{"type": "portmap"`, `{"type": "odd"}, {"type": "portmap"`)
	}
	n.write("cni/10-net.conflist", conf)
}

// failingADD fails to set a pod up, and notes down that it was told to take back.
const failingADD = `
case $CNI_COMMAND in
ADD) echo '{"cniVersion": "1.0.0", "code": 11, "msg": "the switch is on fire"}'; exit 1;;
DEL) echo del >>"${0%/*}/deleted";;
esac
`

// TestRollbackOfFailingNetwork leaves nothing of a sandbox whose second plugin
// fails: not the address that the first one gave.
func TestRollbackOfFailingNetwork(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	works := readFile(t, filepath.Join(n.dir, "cni/10-net.conflist"))
	n.odd(false, failingADD)
	config := n.sandboxConfig("unlucky")
	// The node takes a changed network up by itself, in a moment.
	n.until(func() error {
		response, err := n.runtime().RunPodSandbox(n.ctx, &runtimeapi.RunPodSandboxRequest{Config: config, RuntimeHandler: "wasm"})
		if err == nil {
			_, err := n.runtime().RemovePodSandbox(n.ctx, &runtimeapi.RemovePodSandboxRequest{PodSandboxId: response.PodSandboxId})
			return errors.Join(errors.New("a sandbox was made"), err)
		}
		if missing(err.Error(), "unlucky", "the switch is on fire") != nil {
			t.Errorf("error: %v", err)
		}
		return nil
	})
	n.clean()
	if _, err := os.Stat(filepath.Join(n.dir, "plugins/deleted")); err != nil {
		t.Errorf("the plugins were not asked to take back what they did: %v", err)
	}
	list, err := n.runtime().ListPodSandbox(n.ctx, &runtimeapi.ListPodSandboxRequest{})
	if err != nil || len(list.Items) != 0 {
		t.Errorf("sandboxes: %v, %v", list.GetItems(), err)
	}
	// And once the network works, so does the very same request.
	n.write("cni/10-net.conflist", works)
	n.until(func() error {
		_, err := n.runtime().RunPodSandbox(n.ctx, &runtimeapi.RunPodSandboxRequest{Config: config, RuntimeHandler: "wasm"})
		return err
	})
}

// TestRollbackOfFailedContainer leaves nothing of a container that cannot be made,
// whatever the step that failed; and the next one can have its name.
func TestRollbackOfFailedContainer(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	config := n.sandboxConfig("pod")
	id := n.sandbox(config)
	n.pull("registry.example/files/pause:1.0")
	n.pull("registry.example/files/import:1.0")
	before := n.remains()

	for name, c := range map[string]struct {
		change func(*runtimeapi.ContainerConfig)
		code   codes.Code
		texts  []string
	}{
		"absent mount source": {func(c *runtimeapi.ContainerConfig) {
			c.Mounts = []*runtimeapi.Mount{{ContainerPath: "/data", HostPath: "/no/such/folder"}}
		}, codes.NotFound, []string{"/no/such/folder"}},
		"absent program": {func(c *runtimeapi.ContainerConfig) { c.Command = []string{"/no/such.wasm"} }, codes.NotFound, []string{"/no/such.wasm"}},
		"absent image":   {func(c *runtimeapi.ContainerConfig) { c.Image.Image = "registry.example/absent:1" }, codes.NotFound, []string{"registry.example/absent:1"}},
		"missing import": {func(c *runtimeapi.ContainerConfig) { c.Image.Image = "registry.example/files/import:1.0" }, codes.InvalidArgument, []string{"env.nowhere"}},
		"unknown user": {func(c *runtimeapi.ContainerConfig) {
			c.Linux.SecurityContext = &runtimeapi.LinuxContainerSecurityContext{RunAsUsername: "nobody-of-that-name"}
		}, codes.InvalidArgument, []string{"nobody-of-that-name"}},
		"two mounts on one file": {func(c *runtimeapi.ContainerConfig) {
			c.Mounts = []*runtimeapi.Mount{{ContainerPath: "/etc/passwd/below", HostPath: n.dir}}
		}, codes.InvalidArgument, []string{"/etc/passwd/below"}},
	} {
		request := n.containerRequest(id, config, "main", "registry.example/files/pause:1.0")
		c.change(request.Config)
		_, err := n.runtime().CreateContainer(n.ctx, request)
		if status.Code(err) != c.code || missing(status.Convert(err).Message(), c.texts...) != nil {
			t.Errorf("%s: got %v, want %s with %q", name, err, c.code, c.texts)
		}
		if after := n.remains(); strings.Join(after, "\n") != strings.Join(before, "\n") {
			t.Errorf("%s: before\n  %s\nafter\n  %s", name, strings.Join(before, "\n  "), strings.Join(after, "\n  "))
		}
	}
	container := n.create(n.containerRequest(id, config, "main", "registry.example/files/pause:1.0"))
	equal(t, "state", n.status(container).State, runtimeapi.ContainerState_CONTAINER_CREATED)
}

// TestRetriedCalls return what the first one made, also those that come while it
// is at work.
func TestRetriedCalls(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.pull("registry.example/tiny/pause:1.0")
	config := n.sandboxConfig("pod")
	ids := together(8, func() (string, error) {
		response, err := n.runtime().RunPodSandbox(n.ctx, &runtimeapi.RunPodSandboxRequest{Config: config, RuntimeHandler: "wasm"})
		return response.GetPodSandboxId(), err
	})
	same(t, "sandboxes", ids)
	equal(t, "sandbox of a later call", n.sandbox(config), ids[0])

	request := n.containerRequest(ids[0], config, "main", "registry.example/tiny/pause:1.0")
	containers := together(8, func() (string, error) {
		response, err := n.runtime().CreateContainer(n.ctx, request)
		return response.GetContainerId(), err
	})
	same(t, "containers", containers)
	equal(t, "container of a later call", n.create(request), containers[0])

	for range 2 {
		if _, err := n.runtime().StartContainer(n.ctx, &runtimeapi.StartContainerRequest{ContainerId: containers[0]}); err != nil {
			t.Errorf("start: %v", err)
		}
	}
	for what, call := range map[string]func() error{
		"stop":   func() error { return n.stopContainer(containers[0]) },
		"remove": func() error { return n.removeContainer(containers[0]) },
		"stop pod": func() error {
			_, err := n.runtime().StopPodSandbox(n.ctx, &runtimeapi.StopPodSandboxRequest{PodSandboxId: ids[0]})
			return err
		},
	} {
		for range 2 {
			if err := call(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	// Another attempt is another sandbox.
	config.Metadata.Attempt++
	if again := n.sandbox(config); again == ids[0] {
		t.Error("the second attempt is the first one's sandbox")
	}
}

func (n *node) stopContainer(id string) error {
	_, err := n.runtime().StopContainer(n.ctx, &runtimeapi.StopContainerRequest{ContainerId: id, Timeout: 30})
	return err
}

func (n *node) removeContainer(id string) error {
	_, err := n.runtime().RemoveContainer(n.ctx, &runtimeapi.RemoveContainerRequest{ContainerId: id})
	return err
}

// together calls f so many times at once and returns what it returned, errors in
// the place of results.
func together(times int, f func() (string, error)) []string {
	results := make([]string, times)
	var wg sync.WaitGroup
	for i := range times {
		wg.Go(func() {
			result, err := f()
			if err != nil {
				result = "error: " + err.Error()
			}
			results[i] = result
		})
	}
	wg.Wait()
	return results
}

// same fails the test unless all are the same id.
func same(t *testing.T, what string, ids []string) {
	t.Helper()
	for _, id := range ids {
		if id != ids[0] || strings.Contains(id, " ") {
			t.Fatalf("%s: %q", what, ids)
		}
	}
}

// TestGivenUpCall goes on when its caller has gone: the retry gets what it made.
func TestGivenUpCall(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	// A network that takes its time until the file "go" is there.
	n.odd(true, `
case $CNI_COMMAND in
ADD) touch "${0%/*}/adding"; while [ ! -e "${0%/*}/go" ]; do sleep 0.05; done; echo '{"cniVersion": "1.0.0"}';;
esac`)
	config := n.sandboxConfig("slow")
	config.Metadata.Attempt = 1
	ctx, cancel := context.WithCancel(n.ctx)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := n.runtime().RunPodSandbox(ctx, &runtimeapi.RunPodSandboxRequest{Config: config, RuntimeHandler: "wasm"})
		failed <- err
	}()
	n.until(func() error {
		_, err := os.Stat(filepath.Join(n.dir, "plugins/adding"))
		return err
	})
	cancel()
	if err := <-failed; status.Code(err) != codes.Canceled {
		t.Errorf("the caller got %v", err)
	}
	n.write("plugins/go", "")
	id := n.sandbox(config)
	response, err := n.runtime().PodSandboxStatus(n.ctx, &runtimeapi.PodSandboxStatusRequest{PodSandboxId: id})
	if err != nil || response.Status.State != runtimeapi.PodSandboxState_SANDBOX_READY {
		t.Errorf("sandbox: %v, %v", response, err)
	}
	leases, err := filepath.Glob(filepath.Join(n.dir, "leases/net/10.*"))
	if err != nil || len(leases) != 1 {
		t.Errorf("addresses taken: %q, %v; want one", leases, err)
	}
}

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
