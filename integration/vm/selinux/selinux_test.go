// SPDX-License-Identifier: Apache-2.0

package selinux_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/vm/node"
)

const (
	// noAccess is what a guest sees that may not write (preview 1's errno acces).
	noAccess = 2

	processLabel = "system_u:system_r:container_t:s0:c1,c2"
	fileLabel    = "system_u:object_r:container_file_t:s0:c1,c2"
	otherLabel   = "system_u:object_r:container_file_t:s0:c3"
)

// labelled asks for the categories of processLabel.
func labelled(c *runtimeapi.ContainerConfig) *runtimeapi.ContainerConfig {
	c.Linux.SecurityContext.SelinuxOptions = &runtimeapi.SELinuxOption{Level: "s0:c1,c2"}
	return c
}

// labelOf is the label of a file.
func labelOf(t *testing.T, path string) string {
	t.Helper()
	value := make([]byte, 256)
	n, err := unix.Lgetxattr(path, "security.selinux", value)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return strings.TrimRight(string(value[:n]), "\x00")
}

// labels are the labels of a process's threads.
func labels(t *testing.T, pid int) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/attr/current", pid))
	if err != nil || len(files) < 2 {
		t.Fatalf("threads of the worker: %q, %v", files, err)
	}
	all := map[string]bool{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[string(bytes.TrimRight(text, "\x00\n"))] = true
	}
	return all
}

// volume is a folder of the node with files that another pod's containers have made.
func volume(t *testing.T) *runtimeapi.Mount {
	t.Helper()
	dir := t.TempDir()
	for _, file := range []string{"made", "command", "."} {
		file = filepath.Join(dir, file)
		if file != dir {
			if err := os.WriteFile(file, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := unix.Lsetxattr(file, "security.selinux", []byte(otherLabel), 0); err != nil {
			t.Fatal(err)
		}
	}
	return &runtimeapi.Mount{HostPath: dir, ContainerPath: "/volume"}
}

// TestSELinuxLabels are those of the container's threads, of its files, and of what
// it is stopped and heard by.
func TestSELinuxLabels(t *testing.T) {
	p := wazelet.Pod(t, node.Sandbox("labels"))
	id := p.Run(labelled(node.Container(pause)))
	pid := p.Pid(id)
	if have := labels(t, pid); len(have) != 1 || !have[processLabel] {
		t.Errorf("labels of the threads: %v", have)
	}
	for _, file := range []string{"/main.wasm", "/tmp", "/dev", "/proc", "/dev/shm", "/etc/hosts"} {
		if have := labelOf(t, fmt.Sprintf("/proc/%d/root%s", pid, file)); have != fileLabel {
			t.Errorf("label of %s: %s", file, have)
		}
	}
	if out, err := p.Exec(id, "/own.wasm"); err != nil {
		t.Errorf("a command that writes to its own root: %v, %q", err, out)
	}
	p.Until(func() error {
		if said := p.Said(); said != "ready\n" {
			return fmt.Errorf("log %q", said)
		}
		return nil
	})
	if err := wazelet.Runtime.StopContainer(t.Context(), id, 10); err != nil {
		t.Error(err)
	}
	if s := p.Status(id); s.GetExitCode() != 143 {
		t.Errorf("stopped: %v", s)
	}
}

// TestCategoriesKeepPodsApart: what belongs to another pod cannot be written to, by
// the container nor by a command in it, until the kubelet asks for the volume to be
// relabelled.
func TestCategoriesKeepPodsApart(t *testing.T) {
	p := wazelet.Pod(t, node.Sandbox("apart"))
	v := volume(t)
	run := func(attempt uint32, c *runtimeapi.ContainerConfig) string {
		c.Metadata.Attempt, c.Mounts = attempt, []*runtimeapi.Mount{v}
		return p.Run(c)
	}
	if s := p.Ended(run(0, labelled(node.Container(touch)))); s.GetExitCode() != noAccess {
		t.Errorf("another pod's file was written to: %v", s)
	}
	id := run(1, labelled(node.Container(pause)))
	if _, err := p.Exec(id, "/touch.wasm"); err == nil || !strings.Contains(err.Error(), "exited with "+strconv.Itoa(noAccess)) {
		t.Errorf("a command has written to another pod's file: %v", err)
	}
	v.SelinuxRelabel = true
	if s := p.Ended(run(2, labelled(node.Container(touch)))); s.GetExitCode() != 0 {
		t.Errorf("relabelled: %v", s)
	}
	for _, file := range []string{v.GetHostPath(), filepath.Join(v.GetHostPath(), "made")} {
		if have := labelOf(t, file); have != fileLabel {
			t.Errorf("label of %s: %s", file, have)
		}
	}
}

// TestSELinuxInUserNamespace is refused: the two cannot be had together.
func TestSELinuxInUserNamespace(t *testing.T) {
	ids := []*runtimeapi.IDMapping{{HostId: 100000, ContainerId: 0, Length: 65536}}
	userns := &runtimeapi.UserNamespace{Mode: runtimeapi.NamespaceMode_POD, Uids: ids, Gids: ids}
	config := node.Sandbox("userns")
	config.Linux.SecurityContext.NamespaceOptions.UsernsOptions = userns
	p := wazelet.Pod(t, config)
	c := labelled(node.Container(pause))
	c.Linux.SecurityContext.NamespaceOptions = &runtimeapi.NamespaceOption{Network: runtimeapi.NamespaceMode_NODE, UsernsOptions: userns}
	if _, err := p.Create(c); err == nil || !strings.Contains(err.Error(), "SELinux label "+processLabel+": cannot be had together with a user namespace") {
		t.Error(err)
	}
}

// TestSELinuxIsNotAskedFor: such a container runs as the daemon does, and its
// volumes keep their labels.
func TestSELinuxIsNotAskedFor(t *testing.T) {
	p := wazelet.Pod(t, node.Sandbox("plain"))
	v := volume(t)
	v.SelinuxRelabel = true
	c := node.Container(pause)
	c.Mounts = []*runtimeapi.Mount{v}
	if have := labels(t, p.Pid(p.Run(c))); len(have) != 1 || !have["system_u:system_r:node_t:s0"] {
		t.Errorf("labels of the threads: %v", have)
	}
	if have := labelOf(t, v.GetHostPath()); have != otherLabel {
		t.Errorf("label of the volume: %s", have)
	}
}

// TestRefusedLabels names what the node's policy does not have, and what is
// missing.
func TestRefusedLabels(t *testing.T) {
	for want, o := range map[string]*runtimeapi.SELinuxOption{
		"need a level": {Type: "container_t"},
		"SELinux label system_u:system_r:nowhere_t:s0:c1: not in the node's policy":    {Type: "nowhere_t", Level: "s0:c1"},
		"SELinux label system_u:system_r:container_t:s0:c77: not in the node's policy": {Level: "s0:c77"},
	} {
		config := node.Sandbox("refused")
		config.Linux.SecurityContext.SelinuxOptions = o
		if _, err := wazelet.Runtime.RunPodSandbox(t.Context(), config, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", o, err)
		}
	}
	// A label that is in the policy and that the worker may not get.
	p := wazelet.Pod(t, node.Sandbox("refused"))
	c := node.Container(pause)
	c.Linux.SecurityContext.SelinuxOptions = &runtimeapi.SELinuxOption{Type: "file_t", Role: "object_r", Level: "s0:c1"}
	if _, err := p.Create(c); err == nil || !strings.Contains(err.Error(), "SELinux label system_u:object_r:file_t:s0:c1") {
		t.Errorf("a label of files: %v", err)
	}
}
