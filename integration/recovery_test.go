// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/lab"
)

// lives are pods in every state that an outage may find them in.
type lives struct {
	*space
	running *lab.Pod
	pid     int
	ends    int
}

// newLives starts a pod that runs behind an init container, one that has ended,
// and one that is going to end: its process id is ends. It ends when the file
// "go" appears in the test's folder of the node.
func newLives(t *testing.T) *lives {
	t.Helper()
	s := newSpace(t)
	s.pod("running", `
initContainers: [{name: init, image: 'registry.example/probe:1.0', args: [out, prepared]}]
containers: [{name: main, image: 'registry.example/probe:1.0', args: [tick, 20ms]}]
`)
	s.pod("ended", "containers: [{name: main, image: 'registry.example/probe:1.0', args: [exit, '3']}]")
	s.pod("ending", `
containers:
- name: main
  image: registry.example/watcher:1.0
  args: [/node/go, "yes"]
  volumeMounts: [{name: node, mountPath: /node}]
volumes: [{name: node, hostPath: {path: `+s.hostDir()+`}}]
`)
	l := &lives{space: s, running: s.wait("running", lab.Ready)}
	l.pid = workerPid(t, containerID(t, l.running, "main"))
	equal(t, "exit code before the outage", terminated(t, s.wait("ended", lab.Failed), "main").ExitCode, 3)
	l.ends = workerPid(t, containerID(t, s.wait("ending", lab.Running), "main"))
	return l
}

// end lets the pod "ending" end and waits for its process.
func (l *lives) end() {
	l.t.Helper()
	writeFile(l.t, filepath.Join(l.hostDir(), "go"), "yes")
	l.processEnd(l.ends)
}

// check looks at the pods after the outage: nobody was restarted, forgotten or
// given another end.
func (l *lives) check() {
	l.t.Helper()
	ending := l.wait("ending", lab.Finished)
	equal(l.t, "exit code of the pod that ended meanwhile", terminated(l.t, ending, "main").ExitCode, 0)
	equal(l.t, "its reason", terminated(l.t, ending, "main").Reason, "Completed")
	contains(l.t, "its log", l.logs("ending"), "seen: yes")

	l.syncs("running")
	now := l.wait("running", lab.Ready)
	equal(l.t, "container", containerID(l.t, now, "main"), containerID(l.t, l.running, "main"))
	equal(l.t, "restarts", now.Container("main").RestartCount, 0)
	equal(l.t, "process", workerPid(l.t, containerID(l.t, now, "main")), l.pid)
	equal(l.t, "address", now.Status.PodIP, l.running.Status.PodIP)
	equal(l.t, "exit code of its init container", terminated(l.t, now, "init").ExitCode, 0)
	equal(l.t, "exit code of the ended pod", terminated(l.t, l.wait("ended", lab.Failed), "main").ExitCode, 3)
	l.ticks(now)
	// And all of them can still be stopped and removed.
	l.in("delete", "pods", "--all", "--timeout=60s")
}

// syncs waits until the kubelet has looked at the pod again: it reports the
// annotation's generation only with what it saw.
func (l *lives) syncs(pod string) {
	l.t.Helper()
	id := containerID(l.t, l.running, "main")
	l.until(func() error {
		out, err := cluster.Crictl(l.ctx, "ps", "--quiet", "--no-trunc", "--id", id)
		if err == nil && strings.TrimSpace(out.Stdout) != id {
			err = fmt.Errorf("crictl ps shows %q, want %s", out.Stdout, id)
		}
		return err
	})
	// A new pod is started by a kubelet that has listed all others.
	l.run("after-"+pod, "containers: [{name: main, image: 'registry.example/probe:1.0', args: [out, done]}]")
}

// ticks fails the test when the log of the running pod has a gap, or has stopped.
func (l *lives) ticks(pod *lab.Pod) {
	l.t.Helper()
	path := filepath.Join(cluster.PodLogs(), fmt.Sprintf("%s_running_%s", l.name, pod.Metadata.UID), "main")
	count := func() int {
		n := 0
		for _, content := range rotated(l.t, path) {
			for line := range strings.Lines(content) {
				n++
				if !strings.HasSuffix(line, fmt.Sprintf(" tick %d\n", n)) {
					l.t.Fatalf("line %d of the log is %q", n, line)
				}
			}
		}
		return n
	}
	first := count()
	l.until(func() error {
		if now := count(); now <= first {
			return fmt.Errorf("the log stands at %d lines", now)
		}
		return nil
	})
}

// TestRuntimeKilled kills wazelet with SIGKILL and starts it again.
func TestRuntimeKilled(t *testing.T) {
	l := newLives(t)
	if err := cluster.KillRuntime(l.ctx); err != nil {
		t.Fatal(err)
	}
	l.end()
	if err := cluster.StartRuntime(l.ctx); err != nil {
		t.Fatal(err)
	}
	if err := cluster.WaitRuntime(l.ctx); err != nil {
		t.Fatal(err)
	}
	l.check()
}

// TestRuntimeRestarted ends wazelet as a service manager would.
func TestRuntimeRestarted(t *testing.T) {
	l := newLives(t)
	if err := cluster.StopRuntime(l.ctx); err != nil {
		t.Fatal(err)
	}
	l.end()
	if err := cluster.StartRuntime(l.ctx); err != nil {
		t.Fatal(err)
	}
	if err := cluster.WaitRuntime(l.ctx); err != nil {
		t.Fatal(err)
	}
	l.check()
}

// TestKubeletRestarted leaves the pods to wazelet alone for a while.
func TestKubeletRestarted(t *testing.T) {
	l := newLives(t)
	if err := cluster.RestartKubelet(l.ctx); err != nil {
		t.Fatal(err)
	}
	l.end()
	l.check()
}

// TestKilledWhileCreating kills wazelet three times while it makes the pods of a
// Deployment and while it removes them. In the end all of them run, and then all
// of them are gone.
func TestKilledWhileCreating(t *testing.T) {
	s := newSpace(t)
	before, err := cluster.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	s.apply(replace(deployment, "replicas: 2", "replicas: 8"))
	for sandboxes := 2; sandboxes <= 6; sandboxes += 2 {
		s.until(func() error {
			names, err := filepath.Glob(filepath.Join(cluster.State(), "sandboxes", "*"))
			if err == nil && len(names) < len(before.NetNS)+sandboxes {
				err = fmt.Errorf("%d sandboxes so far", len(names))
			}
			return err
		})
		s.restart()
	}
	s.in("rollout", "status", "deployment/web", "--timeout=90s")
	s.in("delete", "deployment/web", "--cascade=background")
	s.restart()
	s.in("wait", "--for=delete", "pods", "--all", "--timeout=90s")
	s.clean(before)
}

// restart kills wazelet and starts it again.
func (s *space) restart() {
	s.t.Helper()
	if err := cluster.KillRuntime(s.ctx); err != nil {
		s.t.Fatal(err)
	}
	if err := cluster.StartRuntime(s.ctx); err != nil {
		s.t.Fatal(err)
	}
}
