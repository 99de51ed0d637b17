// SPDX-License-Identifier: Apache-2.0

// Package netns makes network namespaces that live without a process: a pod's
// network outlasts its containers and the daemon. Each is bound to a file, so
// that everything that takes a path (CNI plugins, nsenter, ip netns exec) can
// use it.
package netns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const threadNS = "/proc/thread-self/ns/net"

// Create makes a network namespace, sets its loopback device up and binds it
// to a new file at path. When it fails nothing stays.
func Create(path string) error {
	if err := create(path); err != nil {
		return fmt.Errorf("network namespace %s: %w", path, err)
	}
	return nil
}

func create(path string) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o711); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o444)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, remove(path))
		}
	}()
	if err := f.Close(); err != nil {
		return err
	}
	return onThread(func() error { return unix.Unshare(unix.CLONE_NEWNET) }, func() error {
		lo := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: "lo"}}
		if err := netlink.LinkSetUp(lo); err != nil {
			return fmt.Errorf("loopback: %w", err)
		}
		return unix.Mount(threadNS, path, "", unix.MS_BIND, "")
	})
}

// Remove takes the namespace from path, which ends it once no process is in it.
// One that is absent is no error.
func Remove(path string) error {
	if err := remove(path); err != nil {
		return fmt.Errorf("network namespace %s: %w", path, err)
	}
	return nil
}

func remove(path string) error {
	err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if err == nil || errors.Is(err, unix.EINVAL) { // EINVAL: no mount
		err = os.Remove(path)
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	return err
}

// Exists says whether a namespace is bound to path. A file alone is what a
// reboot leaves on a disk.
func Exists(path string) (bool, error) {
	var fs unix.Statfs_t
	switch err := unix.Statfs(path, &fs); {
	case errors.Is(err, unix.ENOENT):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("network namespace %s: %w", path, err)
	}
	return fs.Type == unix.NSFS_MAGIC, nil
}

// Do runs f on a thread that is in the namespace at path. What f starts on
// other goroutines is not in it.
func Do(path string, f func() error) error {
	ns, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("network namespace %s: %w", path, err)
	}
	defer unix.Close(ns)
	enter := func() error {
		if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("network namespace %s: %w", path, err)
		}
		return nil
	}
	return onThread(enter, f)
}

// onThread runs f on a thread of its own that enter has moved elsewhere, and
// moves the thread back. One that cannot go back ends with its goroutine.
func onThread(enter, f func() error) error {
	done := make(chan error)
	go func() {
		goruntime.LockOSThread()
		home, err := unix.Open(threadNS, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			goruntime.UnlockOSThread()
			done <- err
			return
		}
		defer unix.Close(home)
		if err = enter(); err == nil {
			err = f()
		}
		if unix.Setns(home, unix.CLONE_NEWNET) == nil {
			goruntime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}
