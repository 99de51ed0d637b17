// SPDX-License-Identifier: Apache-2.0

package launch_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// TestGuestSeesItsOwnProcess: what /proc says of the guest's process is what the
// kernel says of the worker, after the last wall stands.
func TestGuestSeesItsOwnProcess(t *testing.T) {
	c := define(t, guestPath, "cat,/proc/self/status", "cat,/proc/1/comm", "cat,/proc/self/uid_map", "cat,/proc/self/gid_map",
		"cat,/proc/self/cmdline", "cat,/proc/self/environ", "cat,/proc/mounts")
	s := &c.options.Spec
	s.UID, s.GID, s.Groups = 1234, 2345, []uint32{2345, 3456}
	s.Env = []string{"A=b", "C=d"}
	c.mount(spec.Mount{Type: spec.MountTmpfs, Destination: "/scratch"})
	exit, log := c.run()
	if exit.Code != 0 {
		t.Fatalf("exit %+v, log:\n%s", exit, join(log))
	}
	log[0] = strings.TrimPrefix(log[0], "cat,/proc/self/status: ")
	for _, want := range []string{
		"Name:\tguest.wasm", "Tgid:\t1", "Pid:\t1", "PPid:\t0", "NSpid:\t1",
		"Uid:\t1234\t1234\t1234\t1234", "Gid:\t2345\t2345\t2345\t2345", "Groups:\t2345 3456 ",
		"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
		"CapBnd:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2",
		"cat,/proc/1/comm: guest.wasm",
		"cat,/proc/self/uid_map: 0          0 4294967295",
		"cat,/proc/self/gid_map: 0          0 4294967295",
		"cat,/proc/self/cmdline: /guest.wasm\x00" + strings.Join(c.options.Spec.Args[1:], "\x00") + "\x00",
		"cat,/proc/self/environ: A=b\x00C=d\x00",
	} {
		if !slices.Contains(log, want) {
			t.Errorf("nothing says %q", want)
		}
	}
	if all := join(log); !strings.Contains(all, " /scratch tmpfs ") {
		t.Errorf("/proc/mounts does not show the container's mounts")
	}
	if t.Failed() {
		t.Logf("log:\n%s", join(log))
	}
}

// TestLongCommandLine is shown whole; its memory is not taken from elsewhere.
func TestLongCommandLine(t *testing.T) {
	c := define(t, guestPath, "size,/proc/self/cmdline", strings.Repeat("x", 500<<10))
	exit, log := c.run()
	if want := "size,/proc/self/cmdline: "; exit.Code != 2 || len(log) == 0 || !strings.HasPrefix(log[0], want+"5120") {
		t.Errorf("exit %+v, %.100q", exit, log)
	}
}

// TestSysctlsOfTheContainer are set in its own IPC namespace, before it is
// confined, and readable.
func TestSysctlsOfTheContainer(t *testing.T) {
	c := define(t, guestPath, "cat,/proc/sys/kernel/shm_rmid_forced", "cat,/proc/sys/fs/mqueue/msg_max", "cat,/proc/sys/kernel/sem",
		"cat,/proc/sys/net/ipv4/ip_forward", "write,/proc/sys/kernel/shm_rmid_forced,0", "ls,/proc/sys", "write,/proc/sys/net/ipv4/ip_forward,1")
	c.options.NetNS = newNetNS(t)
	c.options.Spec.Sysctls = map[string]string{"kernel/shm_rmid_forced": "1", "fs/mqueue/msg_max": "100", "kernel/sem": "250 32000 32 100"}
	c.output("cat,/proc/sys/kernel/shm_rmid_forced: 1", "cat,/proc/sys/fs/mqueue/msg_max: 100", "cat,/proc/sys/kernel/sem: 250\t32000\t32\t100",
		"cat,/proc/sys/net/ipv4/ip_forward: 0",
		"write,/proc/sys/kernel/shm_rmid_forced,0: open /proc/sys/kernel/shm_rmid_forced: Read-only file system",
		"ls,/proc/sys: fs kernel net",
		"write,/proc/sys/net/ipv4/ip_forward,1: open /proc/sys/net/ipv4/ip_forward: Read-only file system")
}

func TestSysctlThatTheKernelRefuses(t *testing.T) {
	c := define(t, guestPath)
	c.options.Spec.Sysctls = map[string]string{"fs/mqueue/msg_max": "many"}
	if err := c.launch(t.Context()); err == nil || !strings.Contains(err.Error(), `sysctl fs.mqueue.msg_max="many"`) {
		t.Errorf("got %v", err)
	}
}
