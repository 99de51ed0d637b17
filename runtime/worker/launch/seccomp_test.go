// SPDX-License-Identifier: Apache-2.0

package launch_test

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/engine/enginetest"
	"github.com/wazelet/wazelet/runtime/seccomp"
)

// filter gives the container a profile of the node's.
func (c *container) filter(profile string) {
	c.t.Helper()
	policy, err := seccomp.Parse([]byte(profile))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.options.Spec.Seccomp, err = policy.Compile(); err != nil {
		c.t.Fatal(err)
	}
}

const denyFolders = `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
	{"names": ["renameat", "renameat2"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13},
	{"names": ["linkat"], "action": "SCMP_ACT_LOG"},
	{"names": ["unlinkat"], "action": "SCMP_ACT_KILL"}]}`

// TestSeccompProfileIsAFurtherFilter: what it denies the guest is told, and what
// it kills for ends the container as the signal would.
func TestSeccompProfileIsAFurtherFilter(t *testing.T) {
	c := define(t, guestPath, "write,/a,x", "rename,/a,/b", "link,/a,/c", "cat,/c")
	c.filter(denyFolders)
	c.output("write,/a,x: ok", "rename,/a,/b: rename /a /b: Permission denied", "link,/a,/c: ok", "cat,/c: x")

	c = define(t, guestPath, "write,/a,x", "remove,/a")
	c.filter(denyFolders)
	c.start()
	status, err := c.process.Wait(t.Context())
	if err != nil || !status.Known || status.Code != 128+int32(unix.SIGSYS) {
		t.Errorf("status %+v, %v; want the end by SIGSYS", status, err)
	}
	// Two filters of the worker's own, two that were put in force at the end.
	c = define(t, moduleFile(t, enginetest.Spin("spinning\n")))
	c.filter(`{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG"]}`)
	c.start()
	c.awaitLog()
	for _, n := range statusOf(t, c.process.Pid, "Seccomp_filters") {
		if n != "3" {
			t.Errorf("a thread has %s filters", n)
		}
	}
}

// TestSeccompProfileWithTheNeedsAlone: what seccomp.Policy demands of a profile
// is enough for a worker to run a guest, log, answer, be stopped and leave a
// record.
func TestSeccompProfileWithTheNeedsAlone(t *testing.T) {
	_, err := mustParse(t, `{"defaultAction": "SCMP_ACT_ERRNO"}`).Compile()
	if err == nil {
		t.Fatal("a profile that forbids everything is compiled")
	}
	_, needed, ok := strings.Cut(err.Error(), "container needs: ")
	if !ok {
		t.Fatal(err)
	}
	needed, _, _ = strings.Cut(needed, ": ")
	profile := `{"defaultAction": "SCMP_ACT_KILL", "syscalls": [{"action": "SCMP_ACT_ALLOW", "names": ["` +
		strings.ReplaceAll(needed, ", ", `", "`) + `"]}]}`

	c := define(t, moduleFile(t, enginetest.Grow(1000)))
	c.filter(profile)
	if exit, log := c.run(); exit.Code != 0 {
		t.Errorf("exit %+v, log:\n%s", exit, join(log))
	}
	c = define(t, guestPath, "env,HOME", "alloc,64", "write,/x,y", "exit,7")
	c.filter(strings.Replace(profile, "SCMP_ACT_KILL", "SCMP_ACT_ERRNO", 1))
	exit, log := c.run()
	if exit.Code != 7 || len(log) != 3 || log[2] != "write,/x,y: open /x: Operation not permitted" {
		t.Errorf("exit %+v, log:\n%s", exit, join(log))
	}
	for range 3 { // signals meet the guest in different places
		c = define(t, moduleFile(t, enginetest.Spin("spinning\n")))
		c.filter(profile)
		c.start()
		c.awaitLog()
		if err := c.client.ReopenLog(t.Context(), create(t, c.path("log2"), 0)); err != nil {
			t.Error(err)
		}
		if err := c.process.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if exit := c.wait(); exit.Code != 128+int32(unix.SIGTERM) {
			t.Errorf("exit %+v", exit)
		}
	}
}

func mustParse(t *testing.T, profile string) *seccomp.Policy {
	t.Helper()
	p, err := seccomp.Parse([]byte(profile))
	if err != nil {
		t.Fatal(err)
	}
	return p
}
