// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/lab"
)

// TestPod runs the same program from both forms of image.
func TestPod(t *testing.T) {
	t.Parallel()
	for form, ref := range map[string]string{
		"image of files": "registry.example/hello:1.0",
		"artifact":       "registry.example/hello-module:1.0",
	} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			s := newSpace(t)
			log := s.run("hello", `
containers:
- name: main
  image: `+ref+`
  args: [one, two words]
  env: [{name: GREETING, value: good morning}]
`)
			contains(t, "log", log, "Hello, world!", `Args are: ["one" "two words"]`, "Env: GREETING=good morning")
			p := s.wait("hello", lab.Succeeded)
			end := terminated(t, p, "main")
			equal(t, "exit code", end.ExitCode, 0)
			equal(t, "reason", end.Reason, "Completed")
			if end.FinishedAt.Before(end.StartedAt) || end.StartedAt.IsZero() {
				t.Errorf("ran from %v to %v", end.StartedAt, end.FinishedAt)
			}
			if id := p.Container("main").ContainerID; !strings.HasPrefix(id, "wazelet://") {
				t.Errorf("container id %q, want wazelet://…", id)
			}
			contains(t, "image id", p.Container("main").ImageID, "sha256:")
		})
	}
}

// TestDefaultHandler serves a pod that names no RuntimeClass.
func TestDefaultHandler(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply(`
apiVersion: v1
kind: Pod
metadata: {name: plain}
spec:
  restartPolicy: Never
  containers: [{name: main, image: "registry.example/tiny/stdio:1.0"}]
`)
	equal(t, "log", s.succeeds("plain"), "to stdout\nto stderr\n")
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      runtimeClassName: wasm
      containers:
      - name: main
        image: registry.example/probe:1.0
        args: [then, env, RELEASE, --, pause]
        env: [{name: RELEASE, value: first}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80}]
`

// TestDeployment scales a Deployment, rolls a change out, and finds its pods'
// addresses behind its Service.
func TestDeployment(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply(deployment)
	s.in("rollout", "status", "deployment/web", "--timeout=60s")
	s.endpoints("web", s.podIPs("app=web", 2))

	s.in("scale", "deployment/web", "--replicas=4")
	s.in("rollout", "status", "deployment/web", "--timeout=60s")
	four := s.podIPs("app=web", 4)
	s.endpoints("web", four)

	s.in("scale", "deployment/web", "--replicas=1")
	s.in("rollout", "status", "deployment/web", "--timeout=60s")
	s.endpoints("web", s.podIPs("app=web", 1))

	s.in("set", "env", "deployment/web", "RELEASE=second")
	s.in("rollout", "status", "deployment/web", "--timeout=60s")
	s.endpoints("web", s.podIPs("app=web", 1))
	equal(t, "log of the new release", s.in("logs", "deployment/web"), "second\n")
}

// podIPs waits until exactly so many pods with the label are left, all Ready, and
// returns their addresses.
func (s *space) podIPs(label string, n int) []string {
	s.t.Helper()
	var ips []string
	s.until(func() error {
		var list struct{ Items []lab.Pod }
		if err := cluster.Get(s.ctx, &list, "pods", "--namespace", s.name, "--selector", label); err != nil {
			return err
		}
		ips = nil
		for _, pod := range list.Items {
			if !lab.Ready(&pod) {
				return fmt.Errorf("pod %s is not ready", pod.Metadata.Name)
			}
			ips = append(ips, pod.Status.PodIP)
		}
		if len(ips) != n {
			return fmt.Errorf("%d pods, want %d", len(ips), n)
		}
		return nil
	})
	slices.Sort(ips)
	return ips
}

// endpoints waits until the Service has exactly these ready addresses.
func (s *space) endpoints(service string, want []string) {
	s.t.Helper()
	s.until(func() error {
		var list struct {
			Items []struct {
				Endpoints []struct {
					Addresses  []string
					Conditions struct{ Ready bool }
				}
			}
		}
		err := cluster.Get(s.ctx, &list, "endpointslices", "--namespace", s.name, "--selector", "kubernetes.io/service-name="+service)
		if err != nil {
			return err
		}
		var got []string
		for _, slice := range list.Items {
			for _, endpoint := range slice.Endpoints {
				if endpoint.Conditions.Ready {
					got = append(got, endpoint.Addresses...)
				}
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return fmt.Errorf("service %s: endpoints %q, want %q", service, got, want)
		}
		return nil
	})
}

// TestJob completes a Job of several pods.
func TestJob(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply(`
apiVersion: batch/v1
kind: Job
metadata: {name: sum}
spec:
  completions: 3
  parallelism: 2
  completionMode: Indexed
  template:
    spec:
      runtimeClassName: wasm
      restartPolicy: Never
      containers:
      - name: main
        image: registry.example/probe:1.0
        args: [env, JOB_COMPLETION_INDEX]
`)
	s.in("wait", "--for=condition=Complete", "job/sum", "--timeout=60s")
	equal(t, "succeeded pods", s.in("get", "job/sum", "-o", "jsonpath={.status.succeeded}"), "3")
	lines := strings.Fields(s.in("logs", "--selector", "job-name=sum"))
	slices.Sort(lines)
	equal(t, "completion indexes seen", strings.Join(lines, " "), "0 1 2")
}

// TestJobGivesUp lets a Job fail as often as its backoffLimit allows.
func TestJobGivesUp(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply(`
apiVersion: batch/v1
kind: Job
metadata: {name: hopeless}
spec:
  backoffLimit: 1
  template:
    spec:
      runtimeClassName: wasm
      restartPolicy: Never
      containers:
      - name: main
        image: registry.example/probe:1.0
        args: [exit, "3"]
`)
	s.in("wait", "--for=condition=Failed", "job/hopeless", "--timeout=90s")
	equal(t, "reason", s.in("get", "job/hopeless", "-o", `jsonpath={.status.conditions[?(@.type=="Failed")].reason}`), "BackoffLimitExceeded")
	codes := s.in("get", "pods", "--selector", "job-name=hopeless", "-o", "jsonpath={.items[*].status.containerStatuses[0].state.terminated.exitCode}")
	equal(t, "exit codes of its pods", codes, "3 3")
}

// TestInitContainers run one after the other, each after the one before has
// ended, and all before the program.
func TestInitContainers(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	log := s.run("prepared", `
initContainers:
- name: one
  image: registry.example/probe:1.0
  args: [append, /work/order, "one "]
  volumeMounts: [{name: work, mountPath: /work}]
- name: two
  image: registry.example/probe-module:1.0
  args: [append, /work/order, "two "]
  volumeMounts: [{name: work, mountPath: /work}]
containers:
- name: main
  image: registry.example/probe:1.0
  args: [cat, /work/order]
  volumeMounts: [{name: work, mountPath: /work}]
volumes: [{name: work, emptyDir: {}}]
`)
	equal(t, "order", log, "one two \n")
	p := s.wait("prepared", lab.Succeeded)
	one, two, main := terminated(t, p, "one"), terminated(t, p, "two"), terminated(t, p, "main")
	if two.StartedAt.Before(one.FinishedAt) || main.StartedAt.Before(two.FinishedAt) {
		t.Errorf("overlap: one ended %v, two ran %v to %v, main started %v", one.FinishedAt, two.StartedAt, two.FinishedAt, main.StartedAt)
	}
}

// TestFailingInitContainer keeps the later containers from running.
func TestFailingInitContainer(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("doomed", `
initContainers:
- name: fine
  image: registry.example/probe:1.0
  args: [out, fine]
- name: fails
  image: registry.example/probe:1.0
  args: [then, err, no luck today, --, exit, "9"]
- name: later
  image: registry.example/probe:1.0
  args: [out, must not run]
containers:
- name: main
  image: registry.example/probe:1.0
  args: [out, must not run]
`)
	p := s.wait("doomed", lab.Failed)
	equal(t, "exit code of fine", terminated(t, p, "fine").ExitCode, 0)
	equal(t, "exit code of fails", terminated(t, p, "fails").ExitCode, 9)
	equal(t, "log of fails", s.logs("doomed", "--container=fails"), "no luck today\n")
	for _, name := range []string{"later", "main"} {
		if status := p.Container(name); status == nil || status.ContainerID != "" || status.State.Waiting == nil {
			t.Errorf("container %s: %+v, want waiting", name, status)
		}
	}
}

// TestSidecar is an init container that goes on beside the program and ends with
// it.
func TestSidecar(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("pair", `
initContainers:
- name: sidecar
  restartPolicy: Always
  image: registry.example/probe:1.0
  args: [then, write, /work/ready, "yes", --, pause]
  volumeMounts: [{name: work, mountPath: /work}]
containers:
- name: main
  image: registry.example/watcher:1.0
  args: [/work/ready, "yes"]
  volumeMounts: [{name: work, mountPath: /work}]
volumes: [{name: work, emptyDir: {}}]
`)
	p := s.wait("pair", lab.Succeeded)
	equal(t, "exit code of the sidecar", terminated(t, p, "sidecar").ExitCode, 143)
}

// TestDeadline ends a pod that takes longer than it may, though its guest never
// looks up.
func TestDeadline(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("late", `
activeDeadlineSeconds: 3
containers:
- name: main
  image: registry.example/tiny/spin:1.0
  resources: {limits: {cpu: 200m}}
`)
	p := s.wait("late", lab.Failed)
	equal(t, "reason", p.Status.Reason, "DeadlineExceeded")
}

// TestStaticPod is one that the kubelet reads from a file of the node.
func TestStaticPod(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	file := filepath.Join(cluster.Dir(), "static", "static.yaml")
	writeFile(t, file, replace(podManifest("static", "containers: [{name: main, image: 'registry.example/tiny/stdio:1.0'}]"),
		"metadata:", "metadata:\n  namespace: "+s.name))
	mirror := "static-" + cluster.Node()
	if err := cluster.WaitCreated(s.ctx, s.name, "pod/"+mirror); err != nil {
		t.Fatal(err)
	}
	equal(t, "log", s.succeeds(mirror), "to stdout\nto stderr\n")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	s.in("wait", "--for=delete", "pod/"+mirror, "--timeout=60s")
}
