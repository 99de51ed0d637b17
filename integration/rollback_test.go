// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
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
	// The pod's first container takes the worker that waits for it.
	first := n.create(n.containerRequest(id, config, "first", "registry.example/files/pause:1.0"))
	if _, err := n.runtime().RemoveContainer(n.ctx, &runtimeapi.RemoveContainerRequest{ContainerId: first}); err != nil {
		t.Fatal(err)
	}
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
