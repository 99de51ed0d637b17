// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/wazelet/wazelet/runtime/worker/control"
	"github.com/wazelet/wazelet/runtime/worker/launch"
)

// controlSocket is the name of a worker's control socket in its container's
// state directory. The file outlives the daemon: the next one dials it.
const controlSocket = "control.sock"

// listenControl binds the socket a worker will listen on.
func (c *Controller) listenControl(id string) (l *net.UnixListener, err error) {
	err = throughDir(c.dir(id), func(path string) error {
		if l, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"}); err != nil {
			return err
		}
		l.SetUnlinkOnClose(false)
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		if l != nil {
			l.Close()
		}
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// callStart opens a worker's gate and says since when its guest runs.
func (c *Controller) callStart(ctx context.Context, id string) (started time.Time, err error) {
	err = throughDir(c.dir(id), func(path string) error {
		started, err = control.Dial(path).Start(ctx)
		return err
	})
	return started, launch.Classify(err)
}

// callReopenLog gives a worker a new log file.
func (c *Controller) callReopenLog(ctx context.Context, id string, log *os.File) error {
	return launch.Classify(throughDir(c.dir(id), func(path string) error {
		return control.Dial(path).ReopenLog(ctx, log)
	}))
}

// throughDir calls use with a short path to the control socket in dir: a
// socket's name has at most 107 bytes, and a container's id takes 64 of them
// (unix(7)).
func throughDir(dir string, use func(path string) error) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return use(fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), controlSocket))
}
