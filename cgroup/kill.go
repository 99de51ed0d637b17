// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"
)

// errNoDevice is the answer of a cgroup file whose group was removed while it
// was open.
const errNoDevice = unix.ENODEV

// killRounds bounds the chase after processes that fork while they are killed.
const killRounds = 100

// Kill sends SIGKILL to every process of the group. It does not wait for their
// end; [Group.Remove] does. A group that is gone is no error.
func (g *Group) Kill() error {
	if err := g.kill(); err != nil {
		return fmt.Errorf("cgroup %s: kill: %w", g.path, err)
	}
	return nil
}

// End kills what is left in the group and removes it; see [Group.Remove].
func (g *Group) End(ctx context.Context) error {
	if g.removeEmpty() {
		return nil
	}
	return errors.Join(g.Kill(), g.Remove(ctx))
}

func (g *Group) kill() error {
	if cgroups.IsCgroup2UnifiedMode() {
		err := cgroups.WriteFile(g.dir(), "cgroup.kill", "1")
		if err == nil || !g.exists() {
			return nil
		}
		if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) {
			return err
		}
		// A kernel before 5.14: opening the missing file is ENOENT or EPERM.
	}
	sent := map[int]bool{}
	for range killRounds {
		pids, err := g.Processes()
		if err != nil {
			return err
		}
		pids = slices.DeleteFunc(pids, func(pid int) bool { return sent[pid] })
		if len(pids) == 0 {
			return nil
		}
		if err := g.signal(pids, sent); err != nil {
			return err
		}
	}
	return fmt.Errorf("new processes still appear after %d rounds", killRounds)
}

// signal kills those of pids that are in the group. A pid that was reused since
// it was listed must not be hit, so each is pinned by a pidfd before the group
// is asked again.
func (g *Group) signal(pids []int, sent map[int]bool) error {
	fds := make(map[int]int, len(pids))
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	for _, pid := range pids {
		if pid <= 0 { // from a pid namespace we cannot see into
			return errors.New("a process of another pid namespace")
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if errors.Is(err, unix.ESRCH) {
			continue
		} else if err != nil {
			return fmt.Errorf("process %d: %w", pid, err)
		}
		fds[pid] = fd
	}
	still, err := g.pids()
	if err != nil {
		return err
	}
	for pid, fd := range fds {
		if !slices.Contains(still, pid) {
			continue
		}
		sent[pid] = true
		if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("process %d: %w", pid, err)
		}
	}
	return nil
}
