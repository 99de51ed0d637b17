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
	return start(ctx, child{
		path: o.WorkerPath, mode: "container", env: containerEnv, files: files,
		flags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
	})
}
