// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// selfFiles are what a container sees of its own process, as the kernel tells
// it while the process lives: who it is, what it may and where it is. None of
// them leads into the process, nor says where anything lies in its memory as
// maps and stat do.
var selfFiles = []file{
	{selfDir + "/status", "/proc/self/status", false}, {selfDir + "/comm", "/proc/self/comm", false},
	{selfDir + "/cgroup", "/proc/self/cgroup", false}, {selfDir + "/limits", "/proc/self/limits", false},
	{selfDir + "/mountinfo", "/proc/self/mountinfo", false}, {selfDir + "/mounts", "/proc/self/mounts", false},
}

// selfDir is the process's directory in /proc: it is the first of its pid
// namespace.
const selfDir = "1"

// addSelf adds /proc/1 and the kernel parameters. What is attached nowhere cannot
// be cloned, so a procfs of this pid namespace takes the host's place in this mount
// namespace, where the root will cover it. In it the kernel finds a parameter at once; in
// the host's it looks through those of all containers. But a user namespace may be allowed
// only p, which has none: then the host's, which are the same, are taken before. It
// comes last, because it hides the host's /proc.
func (t *systemTree) addSelf(p processes) error {
	steps := []func() error{
		func() error { return t.bindAll(parameters) },
		func() error { return t.bindAll(selfFiles) },
	}
	if p.own {
		whole, err := newMount("proc", "proc", parseOptions([]string{"ro", "nosuid", "nodev", "noexec"}))
		switch {
		case err == nil:
			defer whole.Close()
			steps = slices.Insert(steps, 0, func() error { return attachOver("/proc", whole) })
		case errors.Is(err, unix.EPERM):
			steps = slices.Insert(steps, 1, func() error { return attachOver("/proc", p.detached) })
		default:
			return fmt.Errorf("mount /proc: %w", err)
		}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("mount /proc: %w", err)
		}
	}
	return nil
}

func attachOver(place string, d detached) error {
	fd, err := unix.Open(place, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return d.attach(fd)
}

// writeSelf fills the new /proc with what the kernel knows of the worker only,
// as it would be for the guest, its command line and environment; and with the maps
// of ids, which never change.
func writeSelf(proc detached, c *spec.Container) error {
	if err := unix.Mkdirat(proc.fd, selfDir, 0o555); err != nil {
		return err
	}
	for link, target := range map[string]string{"self": selfDir, "mounts": "self/mounts"} {
		if err := unix.Symlinkat(target, proc.fd, link); err != nil {
			return fmt.Errorf("%s: %w", link, err)
		}
	}
	// The kernel shows a map to each reader in the ids of its own namespace. A
	// command's is another one, and it is to see the same.
	for _, name := range []string{"uid_map", "gid_map"} {
		text, err := os.ReadFile("/proc/self/" + name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without user namespaces
		}
		if err == nil {
			err = writeNew(proc.fd, selfDir+"/"+name, string(text), 0o444, 0, 0)
		}
		if err != nil {
			return err
		}
	}
	if err := writeNew(proc.fd, selfDir+"/cmdline", terminated(c.Args), 0o444, 0, 0); err != nil {
		return err
	}
	return writeNew(proc.fd, selfDir+"/environ", terminated(c.Env), 0o400, c.UID, c.GID)
}

// selfSize is how much of memory, in bytes, writeSelf may fill.
func selfSize(c *spec.Container) int {
	return len(terminated(c.Args)) + len(terminated(c.Env))
}

// terminated ends each string with a NUL byte, as proc_pid_cmdline(5) has it.
func terminated(list []string) string {
	var b strings.Builder
	for _, s := range list {
		b.WriteString(s)
		b.WriteByte(0)
	}
	return b.String()
}

// writeNew makes a file in the directory dir.
func writeNew(dir int, name, content string, mode, uid, gid uint32) error {
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, mode)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	_, err = f.WriteString(content)
	if err == nil && (uid != 0 || gid != 0) {
		err = f.Chown(int(uid), int(gid))
	}
	return errors.Join(err, f.Close())
}

// setName gives the process the name of the guest's program, which the node's
// process lists and /proc/self/status show.
func setName(args []string) error {
	if len(args) == 0 {
		return nil
	}
	// The kernel cuts it off after 15 bytes.
	if err := os.WriteFile("/proc/self/comm", []byte(path.Base(args[0])), 0); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	return nil
}
