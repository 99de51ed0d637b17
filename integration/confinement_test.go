// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/wazelet/wazelet/integration/lab"
)

// TestConfinement looks from the node at the process that a container is: it has
// no rights, a filter on its system calls, and namespaces of its own.
func TestConfinement(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("user", `
securityContext: {runAsUser: 1234, runAsGroup: 2345, supplementalGroups: [3456]}
containers: [{name: main, image: 'registry.example/tiny/pause:1.0'}]
`)
	s.pod("root", "containers: [{name: main, image: 'registry.example/tiny/pause:1.0'}]")
	s.pod("host", "hostNetwork: true\ncontainers: [{name: main, image: 'registry.example/tiny/pause:1.0'}]")
	pids := map[string]int{}
	for _, pod := range []string{"user", "root", "host"} {
		pids[pod] = workerPid(t, containerID(t, s.wait(pod, lab.Ready), "main"))
		status := procStatus(t, pids[pod])
		for key, want := range map[string]string{
			"CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": none, "CapAmb": none, "NoNewPrivs": "1", "Seccomp": "2",
		} {
			equal(t, key+" of pod "+pod, status[key], want)
		}
		for _, kind := range []string{"mnt", "pid", "ipc", "uts"} {
			if namespace(t, pids[pod], kind) == namespace(t, cluster.PID("wazelet"), kind) {
				t.Errorf("pod %s is in the node's %s namespace", pod, kind)
			}
		}
	}
	user := procStatus(t, pids["user"])
	equal(t, "users", user["Uid"], "1234 1234 1234 1234")
	equal(t, "groups", user["Gid"]+", "+user["Groups"], "2345 2345 2345 2345, 2345 3456")

	node := namespace(t, cluster.PID("wazelet"), "net")
	equal(t, "network of the hostNetwork pod", namespace(t, pids["host"], "net"), node)
	if user, root := namespace(t, pids["user"], "net"), namespace(t, pids["root"], "net"); user == root || user == node || root == node {
		t.Errorf("networks: user %s, root %s, node %s", user, root, node)
	}
}

// none is the empty set of capabilities.
const none = "0000000000000000"

// procStatus reads a process's status, white space made single.
func procStatus(t *testing.T, pid int) map[string]string {
	t.Helper()
	return statusLines(readFile(t, fmt.Sprintf("/proc/%d/status", pid)))
}

// namespace identifies a namespace of a process.
func namespace(t *testing.T, pid int, kind string) string {
	t.Helper()
	link, err := os.Readlink(filepath.Join("/proc", fmt.Sprint(pid), "ns", kind))
	if err != nil {
		t.Fatal(err)
	}
	return link
}
