// SPDX-License-Identifier: Apache-2.0

package mixed_test

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/image"
)

// hybridPod is a Wasm server behind a native one, with a native init container, a
// native sidecar and a volume that all of them share.
const hybridPod = `
runtimeClassName: hybrid
terminationGracePeriodSeconds: 3
resources: {limits: {cpu: "1", memory: 200Mi}}
volumes: [{name: data, emptyDir: {}}]
initContainers:
- name: prepare
  image: BUSY
  command: [sh, -c, "echo prepared > /data/prepared"]
  volumeMounts: [{name: data, mountPath: /data}]
- name: sidecar
  image: BUSY
  restartPolicy: Always
  command: [sh, -c, "trap 'exit 0' TERM; echo sidecar begins; while :; do sleep 1; done"]
  volumeMounts: [{name: data, mountPath: /data}]
containers:
- name: server
  image: SERVER
  ports: [{name: http, containerPort: 8080}]
  volumeMounts: [{name: data, mountPath: /data}]
- name: proxy
  image: PROXY
  env: [{name: PORT, value: "9090"}]
  ports: [{name: proxy, containerPort: 9090}]
  readinessProbe: {periodSeconds: 1, timeoutSeconds: 10, httpGet: {path: "/fetch?url=http%3A%2F%2Flocalhost%3A8080%2Fready", port: proxy}}
  volumeMounts: [{name: data, mountPath: /data}]
`

func (s *space) hybrid(name, server string) *lab.Pod {
	s.t.Helper()
	spec := replace(replace(hybridPod, "SERVER", server), "PROXY", webNative)
	s.pod(name, replace(spec, "BUSY", busybox))
	return s.wait(name, lab.Ready)
}

// TestHybridPod: containers of both kinds are one pod.
func TestHybridPod(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	pod := s.hybrid("p", webWasm)
	proxy := "http://" + pod.Status.PodIP + ":9090"

	// One network, in both directions.
	through := proxy + "/fetch?url=" + url.QueryEscape("http://localhost:8080/there")
	equal(t, "the native container gets of the Wasm one", s.get(through), "hello from /there\n")
	equal(t, "the Wasm container gets of the native one", s.sh("p", "server", "wget -q -O - http://localhost:9090/back"), "hello from /back\n")

	// One volume, in both directions.
	equal(t, "what the init container has left", s.sh("p", "server", "cat /data/prepared"), "prepared\n")
	s.sh("p", "server", "echo from Wasm > /data/wasm")
	equal(t, "what the Wasm container has left", s.sh("p", "sidecar", "cat /data/wasm"), "from Wasm\n")
	s.sh("p", "sidecar", "echo from busybox > /data/native")
	equal(t, "what the sidecar has left", s.sh("p", "server", "cat /data/native"), "from busybox\n")

	contains(t, "log of the Wasm container", s.logs("p", "-c", "server"), `serving on ["http"]`)
	contains(t, "log of the native container", s.logs("p", "-c", "proxy"), "serving on :9090")
	equal(t, "log of the sidecar", s.logs("p", "-c", "sidecar"), "sidecar begins\n")

	// Either is started again when it crashes, and the other goes on.
	for container, port := range map[string]string{"server": "8080", "proxy": "9090"} {
		if _, err := get(s.ctx, "http://"+pod.Status.PodIP+":"+port+"/exit?code=3"); err == nil {
			t.Errorf("%s answered a request to crash", container)
		}
		again := s.wait("p", func(p *lab.Pod) bool { return lab.Restarted(container, 1)(p) && lab.Ready(p) })
		equal(t, "exit code of "+container, again.Container(container).LastState.Terminated.ExitCode, 3)
		equal(t, "address", again.Status.PodIP, pod.Status.PodIP)
		equal(t, "uid", again.Metadata.UID, pod.Metadata.UID)
		equal(t, "after a crash of "+container, s.get(through), "hello from /there\n")
	}
	s.sh("p", "sidecar", "kill 1")
	again := s.wait("p", func(p *lab.Pod) bool { return lab.Restarted("sidecar", 1)(p) && lab.Ready(p) })
	for _, container := range []string{"server", "proxy", "sidecar"} {
		equal(t, "restarts of "+container, again.Container(container).RestartCount, 1)
	}
}

// TestHybridPodIsInItsCgroup: a pod's limits hold for all of it, and its end ends all
// of it.
func TestHybridPodIsInItsCgroup(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	pod := s.hybrid("p", webWasm)
	group := podCgroup(t, pod.Metadata.UID)
	limit, err := memoryLimit(group)
	must(t, err)
	const overhead = 16 << 20 // of the RuntimeClass
	equal(t, "memory limit of the pod's cgroup", limit, 200<<20+overhead)
	var pids []int
	for _, container := range []string{"server", "proxy", "sidecar"} {
		_, id, _ := strings.Cut(pod.Container(container).ContainerID, "://")
		content, err := os.ReadFile(filepath.Join(group, id, "cgroup.procs"))
		if err != nil || len(lines(string(content))) == 0 {
			t.Errorf("%s has no process in the pod's cgroup: %q, %v", container, content, err)
		}
		for _, line := range lines(string(content)) {
			pid, err := strconv.Atoi(line)
			must(t, err)
			pids = append(pids, pid)
		}
	}
	s.in("delete", "pod", "p", "--wait", "--timeout=90s")
	s.until(func() error {
		for _, pid := range pids {
			if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
				return fmt.Errorf("process %d is there", pid)
			}
		}
		if _, err := os.Stat(group); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("the pod's cgroup: %w", err)
		}
		return nil
	})
}

// podCgroup finds the cgroup of a pod's memory.
func podCgroup(t *testing.T, uid string) string {
	t.Helper()
	for _, root := range []string{"/sys/fs/cgroup/memory", "/sys/fs/cgroup"} {
		found, err := filepath.Glob(filepath.Join(root, cluster.CgroupParent("kubepods"), "*", "pod"+uid))
		must(t, err)
		guaranteed, err := filepath.Glob(filepath.Join(root, cluster.CgroupParent("kubepods"), "pod"+uid))
		must(t, err)
		if found = append(found, guaranteed...); len(found) == 1 {
			return found[0]
		}
	}
	t.Fatalf("no cgroup of the pod %s", uid)
	return ""
}

func memoryLimit(group string) (int, error) {
	content, err := os.ReadFile(filepath.Join(group, "memory.limit_in_bytes"))
	if errors.Is(err, os.ErrNotExist) {
		content, err = os.ReadFile(filepath.Join(group, "memory.max")) // cgroup v2
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(content)))
}

// TestHybridPodOfUntaggedImage runs a Wasm image that has no tag anywhere.
func TestHybridPodOfUntaggedImage(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	module, err := os.ReadFile(filepath.Join(cluster.Dir(), "web-wasip1"))
	must(t, err)
	const repository = lab.Registry + "/mixed/untagged"
	img, err := image.Files(image.Config{Entrypoint: []string{"/web.wasm"}}, image.File{Path: "/web.wasm", Content: module})
	must(t, err)
	digest, err := img.Digest()
	must(t, err)
	byDigest := repository + "@" + digest.String()
	_, err = cluster.Push(s.ctx, byDigest, img)
	must(t, err)
	pod := s.hybrid("p", byDigest)
	equal(t, "the server", s.get("http://"+pod.Status.PodIP+":8080/there"), "hello from /there\n")
	contains(t, "image", pod.Container("server").ImageID, digest.String())
}

// TestHybridPodOfOneKind: a pod of this class may have containers of one kind only.
func TestHybridPodOfOneKind(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	for name, ref := range map[string]string{"wasm": toolbox, "native": busybox} {
		s.pod(name, replace(`
runtimeClassName: hybrid
restartPolicy: Never
containers:
- {name: one, image: IMAGE, command: [sh, -c, "echo one; exit 0"]}
- {name: two, image: IMAGE, command: [sh, -c, "echo two; exit 0"]}`, "IMAGE", ref))
	}
	for _, name := range []string{"wasm", "native"} {
		s.wait(name, lab.Succeeded)
		equal(t, "log", s.logs(name, "-c", "one")+s.logs(name, "-c", "two"), "one\ntwo\n")
	}
}
