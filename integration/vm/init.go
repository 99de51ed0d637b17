// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// initMachine is the machine's first process: it makes the machine a node, runs
// the tests, tells how they ended and turns the machine off.
func initMachine() int {
	code, err := inMachine()
	if err != nil {
		fmt.Fprintf(os.Stderr, "init: %v\n", err) // the console
	} else if err := tell(code); err != nil {
		fmt.Fprintf(os.Stderr, "init: %v\n", err)
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF) // the kernel would panic without a first process
	select {}
}

func inMachine() (int, error) {
	if err := enterDisk(); err != nil {
		return 1, err
	}
	if err := mountSystem(); err != nil {
		return 1, err
	}
	if err := loopbackUp(); err != nil {
		return 1, fmt.Errorf("loopback: %w", err)
	}
	if err := unix.Sethostname([]byte("node")); err != nil {
		return 1, err
	}
	return runTests()
}

// file system to mount.
type fileSystem struct {
	target, kind, options string
	absent                bool // the kernel may lack it
}

// mount makes what it is mounted on.
func (f fileSystem) mount() error {
	if err := os.MkdirAll(f.target, 0o755); err != nil {
		return err
	}
	err := unix.Mount(f.kind, f.target, f.kind, 0, f.options)
	if errors.Is(err, unix.ENODEV) && f.absent {
		return nil
	}
	if err != nil {
		return fmt.Errorf("mount %s: %w", f.target, err)
	}
	return nil
}

// diskPatience bounds the wait for the disk, which appears on its own once its
// driver is there.
const diskPatience = 30 * time.Second

// enterDisk loads what the disk needs and makes it the root.
func enterDisk() error {
	if err := (fileSystem{target: "/dev", kind: "devtmpfs"}).mount(); err != nil {
		return err
	}
	names, err := filepath.Glob(modules + "/*")
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		if err := unix.FinitModule(int(f.Fd()), "", unix.MODULE_INIT_COMPRESSED_FILE); err != nil {
			return fmt.Errorf("module %s: %w", name, err)
		}
		f.Close()
	}
	const disk = "/dev/vda"
	for deadline := time.Now().Add(diskPatience); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Mount(disk, "/new", "ext4", 0, "")
		if err == nil {
			break
		}
		if !errors.Is(err, unix.ENOENT) || time.Now().After(deadline) {
			return fmt.Errorf("disk: %w", err)
		}
	}
	if err := unix.Mount("/dev", "/new/dev", "", unix.MS_MOVE, ""); err != nil {
		return err
	}
	return errors.Join(os.Chdir("/new"), unix.Mount(".", "/", "", unix.MS_MOVE, ""), unix.Chroot("."), os.Chdir("/"))
}

// mountSystem mounts what a node's own init does.
func mountSystem() error {
	for _, f := range []fileSystem{
		{target: "/proc", kind: "proc"},
		{target: "/sys", kind: "sysfs"},
		{target: "/sys/kernel/security", kind: "securityfs"},
		{target: "/sys/fs/selinux", kind: "selinuxfs", absent: true},
		{target: "/sys/fs/cgroup", kind: "cgroup2"},
		{target: "/dev/pts", kind: "devpts", options: "ptmxmode=666"},
		{target: "/dev/shm", kind: "tmpfs", options: "mode=1777"},
		{target: "/dev/mqueue", kind: "mqueue", absent: true},
		{target: "/run", kind: "tmpfs", options: "mode=755"},
	} {
		if f.absent && !known(f.kind) {
			continue
		}
		if err := f.mount(); err != nil {
			return err
		}
	}
	return unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_REC, "")
}

// known says whether the kernel has a file system.
func known(kind string) bool {
	list, err := os.ReadFile("/proc/filesystems")
	return err == nil && strings.Contains(string(list), "\t"+kind+"\n")
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// channel opens a way out of the machine.
func channel(name string) (*os.File, error) {
	ports, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return nil, err
	}
	for _, port := range ports {
		if have, err := os.ReadFile(port); err == nil && strings.TrimSpace(string(have)) == name {
			return os.OpenFile("/dev/"+filepath.Base(filepath.Dir(port)), os.O_WRONLY, 0)
		}
	}
	return nil, fmt.Errorf("channel %s: %w", name, os.ErrNotExist)
}

// runTests runs the test binary and reaps whatever lost its parent meanwhile.
func runTests() (int, error) {
	raw, err := os.ReadFile(plan)
	if err != nil {
		return 1, err
	}
	var o orders
	if err := json.Unmarshal(raw, &o); err != nil {
		return 1, err
	}
	out, err := channel(channelTests)
	if err != nil {
		return 1, err
	}
	defer out.Close()
	p, err := os.StartProcess(testBinary, append([]string{testBinary}, o.Args...), &os.ProcAttr{
		Dir: "/", Env: o.Env, Files: []*os.File{nil, out, out},
	})
	if err != nil {
		return 1, err
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 1, err
		case pid == p.Pid && status.Exited():
			return status.ExitStatus(), nil
		case pid == p.Pid:
			return 1, fmt.Errorf("the tests were ended by %s", status.Signal())
		}
	}
}

func tell(code int) error {
	out, err := channel(channelCode)
	if err != nil {
		return err
	}
	defer out.Close()
	_, err = fmt.Fprintln(out, code)
	return err
}
