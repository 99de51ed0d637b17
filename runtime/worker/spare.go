// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/wire"
)

// Spare is Container for a process that is started when its pod is, and learns later
// which container it is. It ends when the daemon does without it, or is gone.
func Spare(ctx context.Context, newClient httpcall.NewClient) int {
	return container(ctx, newClient, func(ctx context.Context, conn *net.UnixConn, newClient httpcall.NewClient) (*guest, error) {
		if err := receiveFiles(conn); err != nil {
			return nil, err
		}
		return setup(ctx, conn, newClient)
	})
}

// receiveFiles puts the descriptors of a container in the places of those the process
// was born with.
func receiveFiles(conn *net.UnixConn) error {
	var msg spec.Files
	files, err := wire.Receive(conn, &msg)
	if err != nil {
		return err
	}
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if len(files) != len(spec.ContainerFDs) {
		return spec.Failf(spec.Internal, "set-up: %d descriptors, not %d", len(files), len(spec.ContainerFDs))
	}
	for i, fd := range spec.ContainerFDs {
		if err := put(files[i], fd); err != nil {
			return fmt.Errorf("descriptor %d: %w", fd, err)
		}
	}
	if msg.Terminal {
		if err := unix.IoctlSetInt(0, unix.TIOCSCTTY, 0); err != nil {
			return fmt.Errorf("controlling terminal: %w", err)
		}
	}
	return nil
}

// put makes fd a descriptor of what c is one of, whatever it was before. It does not use
// File.Fd, which would turn a listener blocking.
func put(c syscall.Conn, fd int) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	if control := raw.Control(func(from uintptr) { err = unix.Dup3(int(from), fd, 0) }); control != nil {
		return control
	}
	return err
}
