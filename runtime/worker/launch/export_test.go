// SPDX-License-Identifier: Apache-2.0

package launch

import (
	"context"
	"net"

	"golang.org/x/sys/unix"
)

// StartOnly starts a container's worker and leaves the dialog to the caller,
// who plays a daemon that dies in it.
func StartOnly(ctx context.Context, o Options) (*Process, *net.UnixConn, func(), error) {
	files, closeFiles, err := o.files()
	if err != nil {
		return nil, nil, nil, err
	}
	defer closeFiles()
	p, conn, stop, err := start(ctx, child{
		path: o.WorkerPath, mode: "container", env: containerEnv, files: files,
		dir: "/", enter: func() error { return nil },
		flags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
	})
	return p, conn, func() { stop(); conn.Close() }, err
}
