// SPDX-License-Identifier: Apache-2.0

package launch

import (
	"fmt"
	"os"
	goruntime "runtime"

	"golang.org/x/sys/unix"
)

// setupCapabilities are what a worker needs until it has confined itself: to
// mount, to open what it mounts, to make devices of less access, to change its
// user and its root.
var setupCapabilities = []uint{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH, unix.CAP_FOWNER,
	unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_SETPCAP,
	unix.CAP_SYS_ADMIN, unix.CAP_SYS_CHROOT, unix.CAP_SYS_RESOURCE, unix.CAP_MKNOD,
}

// onThread runs fn, which starts a process, on a thread that enter has brought
// where the process is to be born, and whose children are born with few rights.
// The thread is thrown away: the way back could fail and leave one of the
// daemon's own in a pod. It is never the first thread, which would be kept. With keep it stays until this process ends, for a child
// that is to end with its parent: the kernel takes the thread for the parent
// (prctl(2), PR_SET_PDEATHSIG).
func onThread(enter func() error, privileged, keep bool, fn func() error) error {
	done := make(chan error)
	go func() {
		goruntime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if unix.Gettid() == os.Getpid() {
			// The process's first thread stays as long as the process, and is what it is
			// known by: another one does it, while this one is held.
			err := onThread(enter, privileged, keep, fn)
			goruntime.UnlockOSThread()
			done <- err
			return
		}
		if err := enter(); err != nil {
			done <- err
			return
		}
		if privileged {
			if err := bequeath(setupCapabilities); err != nil {
				done <- fmt.Errorf("capabilities: %w", err)
				return
			}
		}
		done <- fn()
		if keep {
			select {}
		}
	}()
	return <-done
}

// enterNetwork brings the calling thread into the network namespace at netns;
// "" is the daemon's own.
func enterNetwork(netns string) error {
	if netns == "" {
		return nil
	}
	ns, err := os.Open(netns)
	if err != nil {
		return fmt.Errorf("network namespace: %w", err)
	}
	defer ns.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("network namespace %s: %w", netns, err)
	}
	return nil
}

// bequeath lets the thread's children have the given capabilities after exec,
// with an empty bounding set: they are inherited (capabilities(7), "Transformation
// of capabilities during execve": root's file capabilities are all), so the
// worker need not take the bounding set apart on each of its threads.
func bequeath(caps []uint) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	for i := range data {
		data[i].Inheritable = 0
	}
	for _, c := range caps {
		data[c/32].Inheritable |= data[c/32].Permitted & (1 << (c % 32))
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return err
	}
	for c := uintptr(0); ; c++ {
		held, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0)
		if err == unix.EINVAL {
			return nil // past the last capability this kernel knows
		}
		if err != nil {
			return err
		}
		if held == 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return err
		}
	}
}
