// SPDX-License-Identifier: Apache-2.0

package launch

import (
	"fmt"
	"os"
	goruntime "runtime"

	"golang.org/x/sys/unix"
)

// inNetNS runs fn on a thread that is in the network namespace at path; what
// fn starts is born there. The thread is thrown away: the way back could fail
// and leave one of the daemon's own in a pod.
func inNetNS(path string, fn func() error) error {
	if path == "" {
		return fn()
	}
	ns, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("network namespace: %w", err)
	}
	defer ns.Close()
	done := make(chan error)
	go func() {
		goruntime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("network namespace %s: %w", path, err)
			return
		}
		done <- fn()
	}()
	return <-done
}
