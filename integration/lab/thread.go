// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	goruntime "runtime"

	"golang.org/x/sys/unix"
)

// onThread runs f on an operating system thread that is thrown away afterwards,
// so that f may move it to other namespaces and cgroups. A process that f starts
// is born where the thread is.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		goruntime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The main thread is what /proc/self shows and is never thrown
			// away: hold it while another thread does the work.
			done <- onThread(f)
			goruntime.UnlockOSThread()
			return
		}
		// Still locked at its end, the goroutine takes the thread with it.
		done <- f()
	}()
	return <-done
}

// setns moves the calling thread into the namespace pinned at path.
func setns(path string, kind int) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("namespace %s: %w", path, err)
	}
	defer unix.Close(fd)
	if err := unix.Setns(fd, kind); err != nil {
		return fmt.Errorf("enter namespace %s: %w", path, err)
	}
	return nil
}
