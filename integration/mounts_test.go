// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wazelet/wazelet/integration/lab"
)

// nodeMount mounts a tmpfs in a folder of the test on the node, as something there
// would, and writes files to it.
func (s *space) nodeMount(at string, files map[string]string) {
	s.t.Helper()
	if err := os.MkdirAll(at, 0o777); err != nil {
		s.t.Fatal(err)
	}
	s.onNode("mount", "-t", "tmpfs", "-o", "mode=777", "tmpfs", at)
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if _, err := cluster.Command(ctx, "umount", "--lazy", at); err != nil {
			s.t.Error(err)
		}
	})
	for name, text := range files {
		s.onNode("sh", "-c", `printf %s "$1" >"$2"`, "sh", text, filepath.Join(at, name))
	}
}

// onNode runs a program on the node.
func (s *space) onNode(name string, args ...string) {
	s.t.Helper()
	if _, err := cluster.Command(s.ctx, name, args...); err != nil {
		s.t.Fatal(err)
	}
}

// TestRecursiveReadOnly reaches what the node has mounted below a volume, which
// an ordinary read-only mount does not.
func TestRecursiveReadOnly(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	dir := s.hostDir()
	s.nodeMount(filepath.Join(dir, "below"), map[string]string{"file": "kept"})
	const spec = `
containers:
- name: main
  image: registry.example/probe:1.0
  args: [then, cat, /dir/below/file, --, out, "", --, write, /dir/below/new, text]
  volumeMounts: [{name: dir, mountPath: /dir, readOnly: true, recursiveReadOnly: HOW}]
volumes: [{name: dir, hostPath: {path: DIR}}]
`
	for how, fails := range map[string]bool{"Disabled": false, "IfPossible": true, "Enabled": true} {
		name := namespaceName(how)
		s.pod(name, replace(replace(spec, "HOW", how), "DIR", dir))
		if !fails {
			equal(t, how, s.succeeds(name), "kept\n")
			continue
		}
		s.fails(name, 1)
		contains(t, how, s.logs(name), "kept\n", "read-only file system")
	}
}

// TestMountPropagation shows a guest what the node mounts while it runs, if the
// pod asks for it.
func TestMountPropagation(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	dir := s.hostDir()
	late := filepath.Join(dir, "late")
	if err := os.Mkdir(late, 0o777); err != nil {
		t.Fatal(err)
	}
	s.pod("pair", `
containers:
- name: slave
  image: registry.example/watcher:1.0
  args: [/dir/late/note, hello]
  volumeMounts: [{name: dir, mountPath: /dir, mountPropagation: HostToContainer}]
- name: private
  image: registry.example/tiny/pause:1.0
  volumeMounts: [{name: dir, mountPath: /dir}]
volumes: [{name: dir, hostPath: {path: `+dir+`}}]
`)
	pod := s.wait("pair", lab.Ready)
	s.nodeMount(late, map[string]string{"note": "hello"})
	s.until(func() error {
		if log := s.logs("pair", "--container=slave"); missing(log, "seen: hello") != nil {
			return fmt.Errorf("log: %q", log)
		}
		return nil
	})
	pid := workerPid(t, containerID(t, pod, "private"))
	if names, err := os.ReadDir(filepath.Join("/proc", fmt.Sprint(pid), "root/dir/late")); err != nil || len(names) != 0 {
		t.Errorf("the private mount shows %v, %v", names, err)
	}
}

// TestPropagationNeedsASharedMount: a pod is told when nothing could reach it.
func TestPropagationNeedsASharedMount(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	dir := filepath.Join(s.hostDir(), "own")
	s.nodeMount(dir, nil)
	s.onNode("mount", "--make-private", dir)
	s.pod("private", `
containers:
- name: main
  image: registry.example/probe:1.0
  volumeMounts: [{name: dir, mountPath: /dir, mountPropagation: HostToContainer}]
volumes: [{name: dir, hostPath: {path: `+dir+`}}]
`)
	s.event("private", "Failed", "path "+dir+" is mounted on "+dir+" but it is not a shared or slave mount")
}
