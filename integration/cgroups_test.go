// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/integration/lab"
)

const cgroupRoot = "/sys/fs/cgroup"

// containerID returns the id that the runtime gave a container.
func containerID(t *testing.T, pod *lab.Pod, container string) string {
	t.Helper()
	status := pod.Container(container)
	if status == nil {
		t.Fatalf("pod %s has no status of container %s", pod.Metadata.Name, container)
	}
	id, ours := strings.CutPrefix(status.ContainerID, "wazelet://")
	if !ours {
		t.Fatalf("container %s has the id %q", container, status.ContainerID)
	}
	return id
}

// unified tells whether the machine has cgroup v2.
func unified() bool {
	var stat unix.Statfs_t
	return unix.Statfs(cgroupRoot, &stat) == nil && stat.Type == unix.CGROUP2_SUPER_MAGIC
}

// cgroupOf returns the folder of the container's cgroup in the hierarchy of a v1
// controller, or in the only one.
func cgroupOf(t *testing.T, controller, id string) string {
	t.Helper()
	root := filepath.Join(cgroupRoot, controller)
	if unified() {
		root = cgroupRoot
	}
	var found string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed while we looked
		}
		if err == nil && d.IsDir() && d.Name() == id {
			found = path
			return filepath.SkipAll
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if found == "" {
		t.Fatalf("container %s has no %s cgroup", id, controller)
	}
	return found
}

// cgroupFile reads a file of a cgroup: the name it has on v1, and on v2.
func cgroupFile(t *testing.T, dir, v1, v2 string) string {
	t.Helper()
	name := v1
	if unified() {
		name = v2
	}
	return strings.TrimSpace(readFile(t, filepath.Join(dir, name)))
}

// workerPid returns the process id of the container's only process.
func workerPid(t *testing.T, id string) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(cgroupOf(t, "pids", id), "cgroup.procs"))
	if err != nil {
		t.Fatal(err)
	}
	pids := strings.Fields(string(content))
	if len(pids) != 1 {
		t.Fatalf("container %s has the processes %q, want one", id, pids)
	}
	pid, err := strconv.Atoi(pids[0])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// kill ends a container's process from outside, as the kernel or an operator may.
func (s *space) kill(id string) {
	s.t.Helper()
	if err := unix.Kill(workerPid(s.t, id), unix.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
}

// processEnd waits until a process, which must still run, has ended.
func (s *space) processEnd(pid int) {
	s.t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return
	}
	if err != nil {
		s.t.Fatal(err)
	}
	defer unix.Close(fd)
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(poll, int(testTimeout.Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			s.t.Fatalf("process %d has not ended: %v", pid, err)
		}
		return
	}
}
