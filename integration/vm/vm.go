// SPDX-License-Identifier: Apache-2.0

// Package vm runs the tests of a package inside a virtual machine with a
// distribution's kernel, where the machine of the tests lacks what they are
// about: another cgroup hierarchy, security modules.
//
// A package does so from its TestMain. On the machine of the tests that boots the
// virtual one with this very test binary in it, and passes on what it prints and
// how it ends, so the tests are ordinary ones to the Go tool. The emulator
// interprets: nothing here needs a privilege or a device.
package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wazelet/wazelet/integration/lab/parts"
)

// Machine says what the virtual machine is like.
type Machine struct {
	// Security lists the kernel's security modules, as the parameter lsm.
	Security string
	// Parameters are more of the kernel's.
	Parameters []string
	// Tools are programs of Debian's by their paths in its packages. They are in
	// the tests' PATH.
	Tools []string
	// Prepare is run in the machine before the tests.
	Prepare func() error
}

const (
	// inside is set in the environment of the tests that run in the machine.
	inside = "WAZELET_VM"
	// bootTimeout bounds the machine's life.
	bootTimeout = 20 * time.Minute
	memory      = 2048 // MiB
)

// Names of the two channels out of the machine.
const (
	channelTests = "tests"
	channelCode  = "code"
)

// Main runs the package's tests in the machine and returns the exit code of the
// test binary. It is all that TestMain does.
func (v Machine) Main(m *testing.M) int {
	switch {
	case os.Getpid() == 1:
		return initMachine()
	case os.Getenv(inside) != "":
		if err := v.Prepare(); err != nil {
			fmt.Fprintf(os.Stderr, "FAIL: %v\n", err)
			return 1
		}
		return m.Run()
	case slices.ContainsFunc(os.Args, listsOnly):
		return m.Run()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, bootTimeout, fmt.Errorf("the machine still ran after %s", bootTimeout))
	defer cancel()
	code, err := v.run(ctx, os.Stdout)
	if err != nil {
		fmt.Fprintf(os.Stderr, "FAIL: %v\n", err)
		return 1
	}
	return code
}

func listsOnly(arg string) bool { return strings.HasPrefix(arg, "-test.list=") }

// run makes the machine, boots it, and takes it away again.
func (v Machine) run(ctx context.Context, out io.Writer) (code int, err error) {
	repo, err := parts.Repo()
	if err != nil {
		return 1, err
	}
	debian, err := parts.NewBuilder(repo, os.Stderr).Unpack(ctx, parts.Machine())
	if err != nil {
		return 1, err
	}
	scratch, err := os.MkdirTemp("", "wazelet-vm-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	b := build{machine: v, repo: repo, debian: debian, scratch: scratch}
	if err := b.make(ctx); err != nil {
		return 1, fmt.Errorf("make the machine: %w", err)
	}
	return b.boot(ctx, out)
}

// boot runs the emulator to the machine's end. What the kernel said is part of
// the error where the tests had no end.
func (b *build) boot(ctx context.Context, out io.Writer) (int, error) {
	kernel, err := parts.Find(b.debian, "boot/vmlinuz-*")
	if err != nil {
		return 1, err
	}
	console, code := b.path("console"), b.path("code")
	// The emulated timer is there, however late a busy machine lets it come.
	parameters := append([]string{"console=ttyS0", "quiet", "panic=-1", "no_timer_check", "lsm=" + b.machine.Security}, b.machine.Parameters...)
	command := parts.Tool(b.debian, "usr/bin/qemu-system-x86_64",
		"-L", filepath.Join(b.debian, "usr/share/qemu"), "-L", filepath.Join(b.debian, "usr/share/seabios"),
		"-accel", "tcg,thread=multi", "-cpu", "max", "-machine", "q35", "-smp", "1", "-m", strconv.Itoa(memory),
		"-nodefaults", "-display", "none", "-no-reboot",
		"-kernel", kernel, "-initrd", b.path("initrd"), "-append", strings.Join(parameters, " "),
		"-drive", "if=virtio,format=raw,cache=unsafe,file="+b.path("disk"),
		"-serial", "file:"+console,
		"-device", "virtio-serial",
		"-chardev", "file,id=tests,append=on,path=/proc/self/fd/1", "-device", "virtserialport,chardev=tests,name="+channelTests,
		"-chardev", "file,id=code,path="+code, "-device", "virtserialport,chardev=code,name="+channelCode)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &complaints
	err = cmd.Run()
	text, readErr := os.ReadFile(code)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err = errors.Join(err, readErr); err == nil {
		if n, bad := strconv.Atoi(strings.TrimSpace(string(text))); bad == nil {
			return n, nil
		}
		err = errors.New("the machine ended before its tests did")
	}
	said, _ := os.ReadFile(console)
	return 1, fmt.Errorf("%w\n%s\n--- console\n%s", err, complaints.Bytes(), said[max(0, len(said)-16<<10):])
}
