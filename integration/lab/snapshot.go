// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
)

// Snapshot is what the kernel and the disk hold for the laboratory's pods. Two of
// them, from before and after a test, show what it leaked.
type Snapshot struct {
	// Processes in the laboratory's cgroups or namespaces, "pid command", but for
	// its daemons.
	Processes []string
	// Mounts are the mount points of the laboratory's mount namespace.
	Mounts []string
	// NetNS are the pods' network namespaces.
	NetNS []string
	// Cgroups are those of pods and containers, in every hierarchy.
	Cgroups []string
	// Leases are the addresses that the IPAM plugin holds.
	Leases []string
	// Files are wazelet's own per sandbox and container: records, sockets, roots; and
	// containerd's, its shims' and runc's where there is one.
	Files []string
	// Interfaces are those of the node's network namespace, but for bridges.
	Interfaces []string
	// FDs is the number of wazelet's open file descriptors; it is 0 when wazelet
	// does not run.
	FDs int
}

// fdSlack is how many descriptors more are no leak: idle connections, a store's
// file, the runtime's poller.
const fdSlack = 8

// Snapshot takes one.
func (c *Cluster) Snapshot() (Snapshot, error) {
	var s Snapshot
	collect := []func(*Snapshot) error{
		c.snapshotProcesses, c.snapshotMounts, c.snapshotCgroups, c.snapshotFiles, c.snapshotInterfaces, c.snapshotFDs,
	}
	for _, f := range collect {
		if err := f(&s); err != nil {
			return s, fmt.Errorf("snapshot: %w", err)
		}
	}
	return s, nil
}

// Diff lists what later has and s has not, one line each; it is empty when
// nothing leaked.
func (s Snapshot) Diff(later Snapshot) []string {
	var leaks []string
	more := func(kind string, before, after []string) {
		for _, item := range after {
			if !slices.Contains(before, item) {
				leaks = append(leaks, kind+": "+item)
			}
		}
	}
	more("process", s.Processes, later.Processes)
	more("mount", s.Mounts, later.Mounts)
	more("netns", s.NetNS, later.NetNS)
	more("cgroup", s.Cgroups, later.Cgroups)
	more("IP lease", s.Leases, later.Leases)
	more("file", s.Files, later.Files)
	more("interface", s.Interfaces, later.Interfaces)
	if s.FDs > 0 && later.FDs > s.FDs+fdSlack {
		leaks = append(leaks, fmt.Sprintf("file descriptors of wazelet: %d, were %d", later.FDs, s.FDs))
	}
	return leaks
}

// WaitClean waits until nothing is left that was not there in before. What lags
// behind the API server is given time until the context ends: more than a minute,
// as the kubelet removes the sandboxes of deleted pods once a minute. The error
// lists what is left.
func (c *Cluster) WaitClean(ctx context.Context, before Snapshot) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		now, err := c.Snapshot()
		if err != nil {
			return err
		}
		leaks := before.Diff(now)
		if len(leaks) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("left behind (%w):\n  %s", context.Cause(ctx), strings.Join(leaks, "\n  "))
		case <-tick.C:
		}
	}
}

func (c *Cluster) snapshotProcesses(s *Snapshot) error {
	pids, err := members(c.cgroups, c.namespaces)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if c.isDaemon(pid) {
			continue
		}
		command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			continue // ended meanwhile
		}
		s.Processes = append(s.Processes, fmt.Sprintf("%d %s", pid, strings.ReplaceAll(string(command), "\x00", " ")))
	}
	return nil
}

func (c *Cluster) isDaemon(pid int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.running {
		if d.cmd.Process.Pid == pid {
			return true
		}
	}
	return false
}

func (c *Cluster) snapshotMounts(s *Snapshot) error {
	return onThread(func() error {
		if err := c.namespaces.enter(); err != nil {
			return err
		}
		infos, err := mountinfo.GetMounts(nil)
		for _, info := range infos {
			s.Mounts = append(s.Mounts, info.Mountpoint)
		}
		slices.Sort(s.Mounts)
		return err
	})
}

func (c *Cluster) snapshotCgroups(s *Snapshot) error {
	all, err := c.cgroups.list()
	// The kubelet and wazelet make the parents of pods when they need them first,
	// and keep them.
	parents := []string{"kubepods", "besteffort", "burstable", "wazelet", "compiler", daemons, c.name}
	s.Cgroups = slices.DeleteFunc(all, func(path string) bool { return slices.Contains(parents, filepath.Base(path)) })
	return err
}

func (c *Cluster) snapshotFiles(s *Snapshot) error {
	return onThread(func() error {
		if err := c.namespaces.enter(); err != nil {
			return err
		}
		return c.listFiles(s)
	})
}

func (c *Cluster) listFiles(s *Snapshot) error {
	names := func(dir string) ([]string, error) {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		var out []string
		for _, entry := range entries {
			if !strings.HasPrefix(entry.Name(), "_tmp-journal-") { // of records, for some seconds
				out = append(out, filepath.Join(dir, entry.Name()))
			}
		}
		return out, nil
	}
	for _, dir := range []string{filepath.Join(c.State(), "netns"), c.containerdState("netns")} {
		found, err := names(dir)
		if err != nil {
			return err
		}
		s.NetNS = append(s.NetNS, found...)
	}
	leases, err := names(c.path("cni/leases/lab"))
	if err != nil {
		return err
	}
	// The plugin's own files beside the leases are named lock and last_reserved_ip.
	s.Leases = slices.DeleteFunc(leases, func(path string) bool {
		base := filepath.Base(path)
		return base == "lock" || strings.HasPrefix(base, "last_reserved_ip")
	})
	for _, dir := range []string{
		filepath.Join(c.State(), "sandboxes"), filepath.Join(c.State(), "containers"),
		filepath.Join(c.Root(), "records", "sandboxes"), filepath.Join(c.Root(), "records", "containers"),
		filepath.Join(c.dir, "host", "/var/lib/cni", "results"), c.path("kubelet", "pods"),
		c.containerdRoot("sandboxes"), c.containerdRoot("containers"), c.containerdState("sandboxes"), c.containerdState("containers"),
		c.path("containerd", "run", "io.containerd.runtime.v2.task", "k8s.io"), // bundles
		filepath.Join(c.dir, "host", "/run/containerd", "s"),                   // the shims' sockets
		filepath.Join(c.dir, "host", "/run/containerd", "runc", "k8s.io"),
	} {
		found, err := names(dir)
		if err != nil {
			return err
		}
		s.Files = append(s.Files, found...)
	}
	return nil
}

func (c *Cluster) snapshotInterfaces(s *Snapshot) error {
	return onThread(func() error {
		if err := c.namespaces.enter(); err != nil {
			return err
		}
		entries, err := os.ReadDir("/sys/class/net")
		for _, entry := range entries {
			// The plugin makes a bridge for the first pod, and keeps it.
			if _, err := os.Stat(filepath.Join("/sys/class/net", entry.Name(), "bridge")); err != nil {
				s.Interfaces = append(s.Interfaces, entry.Name())
			}
		}
		return err
	})
}

func (c *Cluster) snapshotFDs(s *Snapshot) error {
	pid := c.PID("wazelet")
	if pid == 0 {
		return nil
	}
	entries, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	s.FDs = len(entries)
	return err
}
