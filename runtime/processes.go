// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxDescriptors bounds how many descriptors of one process are looked at: each
// is a system call.
const maxDescriptors = 1 << 16

// Processes is what a running container's processes have.
type Processes struct {
	Cgroup string // the path of the container's cgroup in its hierarchies
	// OOMKills counts the processes that the kernel killed for want of memory.
	OOMKills uint64
	// Descriptors are the open files, Sockets those of them that are sockets.
	Descriptors, Sockets uint64
	// MaxOpenFiles is the soft limit of open files of the container's first
	// process; nil is no limit.
	MaxOpenFiles *uint64
}

// Processes looks at a container's processes. It costs more than Stats. Of a
// container without any, all is zero.
func (c *Controller) Processes(_ context.Context, id string) (Processes, error) {
	e, err := c.store.get(id)
	if err != nil {
		return Processes{}, err
	}
	n := e.container()
	if !n.State.live() || e.group == nil {
		return Processes{}, nil
	}
	p := Processes{Cgroup: e.group.Path()}
	if p.OOMKills, err = e.group.OOMKills(); err != nil {
		return Processes{}, fmt.Errorf("container %s: %w", n.ID, err)
	}
	pids, err := e.group.Processes()
	if err != nil {
		return Processes{}, fmt.Errorf("container %s: %w", n.ID, err)
	}
	for _, pid := range pids {
		descriptors, sockets, err := countDescriptors(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
		if err != nil {
			return Processes{}, fmt.Errorf("container %s: %w", n.ID, err)
		}
		p.Descriptors += descriptors
		p.Sockets += sockets
	}
	var limit unix.Rlimit
	if err := unix.Prlimit(n.Pid, unix.RLIMIT_NOFILE, nil, &limit); err == nil && limit.Cur != unix.RLIM_INFINITY {
		p.MaxOpenFiles = &limit.Cur
	}
	return p, nil
}

// countDescriptors counts what a process has open; a process that has ended has
// nothing.
func countDescriptors(dir string) (all, sockets uint64, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return 0, 0, unlessEnded(err)
	}
	defer d.Close()
	for all < maxDescriptors {
		names, err := d.Readdirnames(1024)
		for _, name := range names {
			all++
			if target, err := os.Readlink(filepath.Join(dir, name)); err == nil && strings.HasPrefix(target, "socket:") {
				sockets++
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return all, sockets, unlessEnded(err)
		}
	}
	return all, sockets, nil
}

func unlessEnded(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}
