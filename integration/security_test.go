// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/lab"
)

// TestSupplementalGroups: a pod has the groups its image gives its user, unless it
// wants only its own, and its status says who it is.
func TestSupplementalGroups(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	const spec = `
securityContext: {supplementalGroups: [1234], supplementalGroupsPolicy: %s, fsGroup: 3456}
containers: [{name: main, image: 'registry.example/files/user:1.0', args: [then, cat, /proc/self/status, --, pause]}]
`
	for policy, want := range map[string][]int64{"Merge": {1000, 2000, 1234, 3456}, "Strict": {1000, 1234, 3456}} {
		name := strings.ToLower(policy)
		s.pod(name, fmt.Sprintf(spec, policy))
		user := s.wait(name, lab.Running).Container("main").User.Linux
		if user == nil || user.UID != 1000 || user.GID != 1000 || !sameSet(user.SupplementalGroups, want) {
			t.Errorf("%s: the status says %+v, want the groups %v", policy, user, want)
		}
		status := statusLines(s.awaitLog(name, "Seccomp:"))
		equal(t, "users", status["Uid"], "1000 1000 1000 1000")
		var groups []int64
		for _, field := range strings.Fields(status["Groups"]) {
			group, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			groups = append(groups, group)
		}
		if !sameSet(groups, want) {
			t.Errorf("%s: the guest sees the groups %v, want %v", policy, groups, want)
		}
	}
}

func sameSet(a, b []int64) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// statusLines reads the lines "Key: value" of a text, white space made single.
func statusLines(text string) map[string]string {
	lines := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		lines[key] = strings.Join(strings.Fields(value), " ")
	}
	return lines
}

// awaitLog waits until a pod has logged the text, and returns its log.
func (s *space) awaitLog(pod, text string) (log string) {
	s.t.Helper()
	s.until(func() error {
		var err error
		if log, err = cluster.Logs(s.ctx, s.name, pod); err != nil {
			return err
		}
		if len(missing(log, text)) > 0 {
			return fmt.Errorf("pod %s has logged:\n%s", pod, log)
		}
		return nil
	})
	return log
}

// TestGuestSeesItself: /proc of a guest says what the kernel says of its worker.
func TestGuestSeesItself(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("self", `
securityContext: {runAsUser: 1234, runAsGroup: 2345}
containers:
- name: main
  image: registry.example/probe:1.0
  args: [then, cat, /proc/self/status, --, cat, /proc/1/cgroup, --, cat, /proc/self/uid_map, --, cat, /proc/mounts, --, out, over, --, pause]
  volumeMounts: [{name: work, mountPath: /work}]
volumes: [{name: work, emptyDir: {}}]
`)
	id := containerID(t, s.wait("self", lab.Running), "main")
	log := s.awaitLog("self", "\nover\n")
	inside, outside := statusLines(log), procStatus(t, workerPid(t, id))
	for _, key := range []string{"Name", "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"} {
		equal(t, key, inside[key], outside[key])
	}
	equal(t, "pid", inside["Pid"], "1")
	equal(t, "name", inside["Name"], "probe.wasm")
	contains(t, "log", log, "/"+id+"\n", " 0 4294967295\n", " /work ", "overlay / overlay rw")
}

// TestSysctls sets a pod's own in its network and IPC namespaces, and refuses the
// node's.
func TestSysctls(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	log := s.run("own", `
securityContext:
  sysctls:
  - {name: kernel.shm_rmid_forced, value: "1"}
  - {name: net.ipv4.ip_local_port_range, value: 20000 20100}
  - {name: net.ipv4.ping_group_range, value: 0 1000}
containers:
- name: main
  image: registry.example/probe:1.0
  args: [cat, /proc/sys/kernel/shm_rmid_forced, /proc/sys/net/ipv4/ip_local_port_range, /proc/sys/net/ipv4/ping_group_range, /proc/sys/fs/mqueue/msg_max]
`)
	contains(t, "sysctls", strings.Join(strings.Fields(log), " "), "1 20000 20100 0 1000 ")
	s.pod("bad", `
securityContext: {sysctls: [{name: kernel.shm_rmid_forced, value: "often"}]}
containers: [{name: main, image: 'registry.example/tiny/pause:1.0'}]
`)
	s.event("bad", "FailedCreatePodSandBox", `sysctl kernel.shm_rmid_forced="often"`)
}

// TestSeccompLocalhost: a profile of the node is a further filter; one that is not
// there, is no profile, or would stop every worker fails the container with what
// is wrong.
func TestSeccompLocalhost(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	dir := filepath.Join(cluster.Dir(), "kubelet", "seccomp", s.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for name, profile := range map[string]string{
		"own":      `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]}`,
		"kill":     `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL"}]}`,
		"nothing":  `{"defaultAction": "SCMP_ACT_ERRNO"}`,
		"notify":   `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdirat"], "action": "SCMP_ACT_NOTIFY"}]}`,
		"nonsense": `mkdir: no`,
	} {
		writeFile(t, filepath.Join(dir, name+".json"), profile)
	}
	for _, name := range []string{"own", "kill", "nothing", "notify", "nonsense", "absent"} {
		s.pod(name, `
containers:
- name: main
  image: registry.example/probe:1.0
  args: [mkdir, /folder]
  securityContext: {seccompProfile: {type: Localhost, localhostProfile: `+s.name+"/"+name+`.json}}
`)
	}
	s.fails("own", 1)
	contains(t, "log", s.logs("own"), "mkdir /folder: Permission denied")
	s.fails("kill", 128+31) // SIGSYS
	s.event("nothing", "Failed", "nothing.json: does not allow what every Wasm container needs", "futex")
	s.event("notify", "Failed", "notify.json: syscalls[0]: SCMP_ACT_NOTIFY is not supported")
	s.event("nonsense", "Failed", "nonsense.json: invalid character")
	s.event("absent", "Failed", "absent.json: no such file")
}

// TestHardening is what a careful pod asks for; what it cannot have is an error.
func TestHardening(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	log := s.run("careful", `
securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
containers:
- name: main
  image: registry.example/probe:1.0
  args: [then, cat, /proc/self/status, --, write, /work/file, x]
  securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL], add: [NET_ADMIN]}}
  volumeMounts: [{name: work, mountPath: /work}]
volumes: [{name: work, emptyDir: {}}]
`)
	status := statusLines(log)
	equal(t, "capabilities", status["CapBnd"]+status["CapEff"], none+none)
	equal(t, "filter", status["NoNewPrivs"]+status["Seccomp"], "12")
	s.pod("selinux", `
securityContext: {seLinuxOptions: {level: 's0:c1,c2'}}
containers: [{name: main, image: 'registry.example/probe:1.0', args: [out, never]}]
`)
	s.event("selinux", "FailedCreatePodSandBox", "SELinux")
}

// TestPrivilegedIsRefused: the container that asks for it, in words, and not the
// one beside it.
func TestPrivilegedIsRefused(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("p", `
containers:
- name: plain
  image: registry.example/probe:1.0
  args: [pause]
- name: mighty
  image: registry.example/probe:1.0
  args: [pause]
  securityContext: {privileged: true}`)
	s.event("p", "Failed", "a Wasm container cannot be privileged")
	s.wait("p", func(p *lab.Pod) bool { c := p.Container("plain"); return c != nil && c.State.Running != nil })
}

// TestUserNamespaces: a pod with hostUsers: false is root inside and nobody on the
// node; its volumes and its image have the ids it has inside.
func TestUserNamespaces(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	dir := s.hostDir()
	s.apply(settings)
	s.pod("own", `
hostUsers: false
securityContext: {fsGroup: 3456}
containers:
- name: main
  image: registry.example/probe:1.0
  args: [then, cat, /proc/self/uid_map, --, cat, /proc/self/status, --, cat, /etc/app/colour, --, write, /work/file, x, --, write, /memory/file, x,
    --, write, /node/file, x, --, write, /file, x, --, write, /dev/termination-log, done, --, out, over, --, pause]
  volumeMounts: [{name: work, mountPath: /work}, {name: memory, mountPath: /memory}, {name: node, mountPath: /node}, {name: settings, mountPath: /etc/app}]
volumes:
- {name: work, emptyDir: {}}
- {name: memory, emptyDir: {medium: Memory}}
- {name: node, hostPath: {path: `+dir+`}}
- {name: settings, configMap: {name: settings}}
`)
	p := s.wait("own", lab.Running)
	log := s.awaitLog("own", "over\n")
	var inside, host, size uint32
	if _, err := fmt.Sscan(log, &inside, &host, &size); err != nil || inside != 0 || host == 0 || size != 65536 {
		t.Errorf("the map of ids: %d %d %d, %v", inside, host, size, err)
	}
	contains(t, "log", log, "Pid:\t1\n", "Uid:\t0\t0\t0\t0", "green")
	pid := workerPid(t, containerID(t, p, "main"))
	status := procStatus(t, pid)
	equal(t, "user on the node", status["Uid"], fmt.Sprintf("%[1]d %[1]d %[1]d %[1]d", host))
	contains(t, "groups on the node", status["Groups"], fmt.Sprint(host+3456))
	equal(t, "capabilities", status["CapBnd"]+status["CapEff"], none+none)
	if namespace(t, pid, "user") == namespace(t, cluster.PID("wazelet"), "user") {
		t.Error("the worker is in the node's user namespace")
	}
	volumes := filepath.Join(cluster.Dir(), "kubelet/pods", p.Metadata.UID, "volumes/kubernetes.io~empty-dir")
	owned(t, filepath.Join(volumes, "work/file"), 0, 3456)
	owned(t, filepath.Join(dir, "file"), 0, 0)

	// Two containers, another user, commands, and an id that the pod does not have.
	s.pod("user", `
hostUsers: false
securityContext: {runAsUser: 1000, runAsGroup: 1000}
containers:
- {name: main, image: 'registry.example/probe:1.0', args: [pause]}
- {name: other, image: 'registry.example/tiny/pause:1.0'}
`)
	s.wait("user", lab.Ready)
	status = statusLines(s.kubectl("exec", "--namespace", s.name, "user", "-c", "main", "--", "/probe.wasm", "cat", "/proc/self/status"))
	equal(t, "user of a command", status["Uid"], "1000 1000 1000 1000")
	s.kubectl("exec", "--namespace", s.name, "user", "-c", "main", "--", "/probe.wasm", "write", "/tmp/file", "x")
	s.pod("beyond", `
hostUsers: false
containers: [{name: main, image: 'registry.example/probe:1.0', args: [out, never], securityContext: {runAsUser: 100000}}]
`)
	s.event("beyond", "Failed", "user 100000: the pod's user namespace")
}
