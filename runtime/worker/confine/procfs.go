// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// processes is a procfs that shows processes and nothing else.
type processes struct {
	detached
	own bool // of this process's pid namespace, and attached nowhere yet
}

// openProcesses returns a procfs that shows this process.
func openProcesses(rootless bool) (processes, error) {
	d, err := newMount("proc", "proc", parseOptions([]string{"subset=pid", "ro", "nosuid", "nodev", "noexec"}))
	if err == nil {
		return processes{d, true}, nil
	}
	if !rootless || !errors.Is(err, unix.EPERM) {
		return processes{}, err
	}
	// A user namespace inside a container may not mount procfs when parts of
	// the outer one are masked. The outer one then serves; to it, this process
	// is the ordinary user who started it.
	fd, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return processes{}, err
	}
	return processes{detached{fd, true}, false}, nil
}

// execProcesses is openProcesses for a command, whose procfs may have been handed
// in.
func execProcesses(procfs *os.File) (processes, error) {
	if procfs == nil {
		return openProcesses(false)
	}
	fd, err := unix.FcntlInt(procfs.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	return processes{detached{fd, true}, false}, err
}

// protectProc makes every procfs below the root read-only, wherever a hostPath
// volume brought one along: writing to /proc/self/mem would reach this
// process's own memory.
func protectProc(p processes) error {
	fd, err := unix.Openat(p.fd, "self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("mountinfo: %w", err)
	}
	f := os.NewFile(uintptr(fd), "mountinfo")
	defer f.Close()
	points, err := procMounts(f)
	if err != nil {
		return fmt.Errorf("mountinfo: %w", err)
	}
	if len(points) == 0 {
		return nil
	}
	root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	for _, name := range points {
		if err := (tree{root}).setReadOnly(name); err != nil && !absent(err) {
			return fmt.Errorf("read-only %s: %w", name, err)
		}
	}
	return nil
}

// procMounts returns where procfs is mounted and not read-only, from the text
// of a mountinfo file (proc_pid_mountinfo(5)):
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw
func procMounts(mountinfo io.Reader) ([]string, error) {
	var points []string
	lines := bufio.NewScanner(mountinfo)
	lines.Buffer(nil, 1<<20) // an overlay's options can fill a page and more
	for lines.Scan() {
		mount, super, ok := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(mount)
		if !ok || len(fields) < 6 || !strings.HasPrefix(super, "proc ") {
			continue
		}
		if fields[5] != "ro" && !strings.HasPrefix(fields[5], "ro,") {
			points = append(points, unescape(fields[4]))
		}
	}
	return points, lines.Err()
}

// unescape undoes the kernel's \ooo for the characters that would break a
// mountinfo line.
func unescape(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		if s[0] == '\\' && len(s) >= 4 {
			if n, err := strconv.ParseUint(s[1:4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				s = s[4:]
				continue
			}
		}
		b.WriteByte(s[0])
		s = s[1:]
	}
	return b.String()
}
