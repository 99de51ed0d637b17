// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// claims holds one folder per laboratory on the machine, named like its cgroup
// branch: the pinned namespaces and a file that the owning process keeps locked.
// A claim whose lock is free belongs to a process that died.
const claims = "/run/wazelet-lab"

func claimDir(name string) string { return filepath.Join(claims, name) }

// stake makes the laboratory's claim and keeps it locked until the process ends
// or the file is closed.
func stake(name string) (*os.File, error) {
	unlock, err := lockClaims()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := os.MkdirAll(claimDir(name), 0o700); err != nil {
		return nil, err
	}
	return lockClaim(name)
}

// lockClaims keeps a claim that is being made from being swept.
func lockClaims() (unlock func(), err error) {
	if err := os.MkdirAll(claims, 0o700); err != nil {
		return nil, err
	}
	dir, err := os.Open(claims)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return func() { dir.Close() }, nil
}

func lockClaim(name string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(claimDir(name), "owner"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Sweep takes down every laboratory whose process is gone: it ends what still
// runs in its cgroups and removes the cgroups and the pinned namespaces. The
// scratch folder stays.
func Sweep() error {
	unlock, err := lockClaims()
	if err != nil {
		return err
	}
	defer unlock()
	entries, err := os.ReadDir(claims)
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		claim, err := lockClaim(entry.Name())
		if errors.Is(err, unix.EWOULDBLOCK) {
			continue // its owner lives
		}
		if err == nil {
			err = errors.Join(dismantle(entry.Name()), claim.Close())
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", entry.Name(), err))
		}
	}
	return errors.Join(errs...)
}

// dismantle takes away all that the kernel holds for a laboratory, whatever state
// it is in.
func dismantle(name string) error {
	groups, err := findCgroups(name)
	if err != nil {
		return err
	}
	spaces := namespaces{dir: filepath.Join(claimDir(name), "ns")}
	return errors.Join(
		endAll(groups, spaces),
		groups.remove(),
		spaces.remove(),
		removeState(name),
		removeDisk(name),
		os.RemoveAll(claimDir(name)),
	)
}

// endAll kills every process of the laboratory and waits until they are gone.
func endAll(groups *cgroups, spaces namespaces) error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		pids, err := members(groups, spaces)
		if err != nil || len(pids) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v survive SIGKILL", pids)
		}
		for _, pid := range pids {
			if err := killAndWait(pid, time.Until(deadline)); err != nil {
				return err
			}
		}
	}
}

// members returns the processes in the cgroup branch or in one of the namespaces,
// but for this one: on cgroup v1 the branch lists it as long as one of its
// throw-away threads is there (see onThread).
func members(groups *cgroups, spaces namespaces) ([]int, error) {
	pids, err := groups.processes()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		var pid int
		if _, err := fmt.Sscanf(entry.Name(), "%d", &pid); err != nil {
			continue
		}
		if sameNamespace(pid, "mnt", spaces.mnt()) || sameNamespace(pid, "net", spaces.net()) {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	pids = slices.Compact(pids)
	return slices.DeleteFunc(pids, func(pid int) bool { return pid == os.Getpid() }), nil
}

// killAndWait kills one process, held by a pidfd so that a recycled id is safe,
// and waits until it has ended.
func killAndWait(pid int, limit time.Duration) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(poll, int(max(0, limit.Milliseconds())))
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
