// SPDX-License-Identifier: Apache-2.0

package mixed_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/wazelet/wazelet/integration/lab"
)

// replicated is a server of three replicas, of which one more may be there meanwhile.
const replicated = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web-NAME}
spec:
  replicas: 3
  strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  selector: {matchLabels: {app: web-NAME}}
  template:
    metadata: {labels: {app: web-NAME}}
    spec:
      CLASS
      terminationGracePeriodSeconds: 2
      containers:
      - name: web
        image: WEB
        env: [{name: RELEASE, value: "1"}]
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {periodSeconds: 1, timeoutSeconds: 10, httpGet: {path: /ready, port: http}}
`

// TestDeployments of each kind are updated one by one and scaled both ways.
func TestDeployments(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	for _, k := range kinds {
		s.apply(k.fill(replicated))
	}
	s.rollouts()
	first := s.podIPs(3)
	s.in("set", "env", "deployment", "--all", "RELEASE=2")
	s.rollouts()
	second := s.podIPs(3)
	for app, ips := range second {
		for _, ip := range ips {
			if slices.Contains(first[app], ip) {
				t.Errorf("%s: the pod at %s is of the first release", app, ip)
			}
			equal(t, app+" at "+ip, s.get("http://"+ip+":8080/two"), "hello from /two\n")
		}
	}
	for _, n := range []int{1, 2} {
		s.in("scale", "deployment", "--all", fmt.Sprintf("--replicas=%d", n))
		s.podIPs(n)
	}
}

// rollouts waits until the Deployments of all kinds are as they should be.
func (s *space) rollouts() {
	s.t.Helper()
	for _, k := range kinds {
		s.rollout("web-" + k.name)
	}
}

// podIPs waits until each kind has n pods, all of them ready and none that is ending,
// and returns their addresses by the app's name.
func (s *space) podIPs(n int) (ips map[string][]string) {
	s.t.Helper()
	s.until(func() error {
		var list struct {
			Items []struct {
				lab.Pod
				Metadata struct {
					DeletionTimestamp string
					Labels            map[string]string
				}
			}
		}
		if err := cluster.Get(s.ctx, &list, "pods", "--namespace", s.name); err != nil {
			return err
		}
		ips = map[string][]string{}
		for _, p := range list.Items {
			if p.Metadata.DeletionTimestamp == "" && lab.Ready(&p.Pod) {
				app := p.Metadata.Labels["app"]
				ips[app] = append(ips[app], p.Status.PodIP)
			}
		}
		for _, k := range kinds {
			if ready := len(ips["web-"+k.name]); ready != n || len(list.Items) != n*len(kinds) {
				return fmt.Errorf("web-%s has %d pods ready, want %d; there are %d pods", k.name, ready, n, len(list.Items))
			}
		}
		return nil
	})
	return ips
}

// job has the word of its kind in the log; each of its pods writes what the volume of
// the pod has.
const job = `
apiVersion: batch/v1
kind: Job
metadata: {name: good-NAME}
spec:
  completions: 3
  parallelism: 2
  template:
    metadata: {labels: {job: good-NAME}}
    spec:
      CLASS
      restartPolicy: Never
      initContainers: [{name: first, image: TOOLS, command: [sh, -c, "echo from NAME > /data/text"], volumeMounts: [{name: data, mountPath: /data}]}]
      containers: [{name: main, image: TOOLS, command: [sh, -c, "cat /data/text"], volumeMounts: [{name: data, mountPath: /data}]}]
      volumes: [{name: data, emptyDir: {}}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: bad-NAME}
spec:
  backoffLimit: 0
  template:
    metadata: {labels: {job: bad-NAME}}
    spec:
      CLASS
      restartPolicy: Never
      containers: [{name: main, image: TOOLS, command: [sh, -c, "echo no >&2; exit 7"]}]
`

// TestJobs of each kind succeed, and fail with their program's exit code.
func TestJobs(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	for _, k := range kinds {
		s.apply(k.fill(job))
	}
	for name, condition := range map[string]string{"good": "Complete", "bad": "Failed"} {
		args := []string{"wait", "--for=condition=" + condition, "--timeout=240s"}
		for _, k := range kinds {
			args = append(args, "job/"+name+"-"+k.name)
		}
		s.in(args...)
	}
	for _, k := range kinds {
		equal(t, "log", s.in("logs", "--selector", "job=good-"+k.name, "-c", "main"), replace("from NAME\nfrom NAME\nfrom NAME\n", "NAME", k.name))
		equal(t, "log", s.in("logs", "--selector", "job=bad-"+k.name), "no\n")
		var list struct{ Items []lab.Pod }
		must(t, cluster.Get(s.ctx, &list, "pods", "--namespace", s.name, "--selector", "job=bad-"+k.name))
		if end := list.Items[0].Container("main").State.Terminated; end == nil || end.ExitCode != 7 || end.Reason != "Error" {
			t.Errorf("%s: ended %+v", k.name, end)
		}
	}
}

// probed is a server with each of the probes; its liveness is a file.
const probed = `
CLASS
terminationGracePeriodSeconds: 2
volumes: [{name: v, emptyDir: {}}]
containers:
- name: main
  image: TOOLS
  command: [sh, -c, "touch /v/alive; sleep 600"]
  volumeMounts: [{name: v, mountPath: /v}]
  startupProbe: {periodSeconds: 1, timeoutSeconds: 60, exec: {command: [test, -f, /v/alive]}}
  livenessProbe: {periodSeconds: 1, timeoutSeconds: 60, failureThreshold: 1, exec: {command: [cat, /v/alive]}}
- name: web
  image: WEB
  ports: [{name: http, containerPort: 8080}]
  readinessProbe: {periodSeconds: 1, timeoutSeconds: 10, httpGet: {path: /ready, port: http}}
  livenessProbe: {periodSeconds: 1, timeoutSeconds: 60, tcpSocket: {port: 8080}}
`

// TestProbesAndEvents: the kubelet's probes see every kind, and what it tells of them
// is the same.
func TestProbesAndEvents(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			s := newSpace(t)
			s.pod("p", k.fill(probed))
			pod := s.wait("p", lab.Ready)
			s.sh("p", "main", "rm /v/alive")
			s.wait("p", lab.Restarted("main", 1))
			again := s.wait("p", lab.Ready)
			equal(t, "restarts of the other container", again.Container("web").RestartCount, 0)
			equal(t, "address", again.Status.PodIP, pod.Status.PodIP)
			for _, reason := range []string{"Scheduled", "Pulled", "Created", "Started"} {
				s.event("p", reason)
			}
			s.event("p", "Unhealthy", "Liveness probe", "/v/alive")
			s.event("p", "Killing", "main failed liveness probe")
		})
	}
}
