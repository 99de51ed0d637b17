// SPDX-License-Identifier: Apache-2.0

package launch

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/wire"
)

// Spare is a worker that waits for its container. It was started in a pod's network
// namespace and in the container's cgroup, without rights to gain, and is the
// program for containers that make no HTTP requests.
type Spare struct {
	process *Process

	mu   sync.Mutex
	conn *net.UnixConn // nil once it is taken or dropped
}

// SpareOptions say where a Spare is born; see Options.
type SpareOptions struct {
	WorkerPath string
	NetNS      string
	Cgroup     Cgroup
}

// NewSpare starts a worker without a container. It is for [Options.Spare], or to be
// dropped. The process ends by itself with the daemon.
func NewSpare(ctx context.Context, o SpareOptions) (*Spare, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	files := []*os.File{null, null, null, nil, null, null, null, null, null}
	c := containerChild(o.WorkerPath, "spare", o.NetNS, o.Cgroup, files)
	c.groups = []uint32{0} // what most containers have; another one's are changed in each thread
	p, conn, stop, err := start(ctx, c)
	if err != nil {
		return nil, err
	}
	stop()
	return &Spare{process: p, conn: conn}, nil
}

// containerChild is what all workers of containers have in common.
func containerChild(path, mode, netns string, cgroup Cgroup, files []*os.File) child {
	return child{
		path: path, mode: mode, env: containerEnv, files: files, dir: "/", cgroup: cgroup,
		enter: func() error { return enterNetwork(netns) },
		flags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
	}
}

// take hands the worker a container's files. What it returns is as of start. After an
// error the worker is gone, and there is none to take.
func (s *Spare) take(ctx context.Context, files []*os.File, terminal bool) (*Process, *net.UnixConn, func() bool, error) {
	conn := s.release()
	if conn == nil {
		return nil, nil, nil, fmt.Errorf("worker %d: taken before: %w", s.process.Pid, errdefs.ErrNotFound)
	}
	stop := endWith(ctx, conn)
	sent := slices.Concat(files[:spec.SetupFD], files[spec.SetupFD+1:])
	if err := wire.Send(conn, spec.Files{Terminal: terminal}, sent...); err != nil {
		stop()
		conn.Close()
		_ = s.process.end(ctx)
		return nil, nil, nil, err
	}
	return s.process, conn, stop, nil
}

// Drop ends the worker, unless it was taken, and waits for its end.
func (s *Spare) Drop(ctx context.Context) error {
	conn := s.release()
	if conn == nil {
		return nil
	}
	conn.Close()
	return s.process.end(ctx)
}

func (s *Spare) release() *net.UnixConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	conn := s.conn
	s.conn = nil
	return conn
}
