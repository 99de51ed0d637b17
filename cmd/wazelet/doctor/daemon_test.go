// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"net"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/cri/probe"
	"github.com/wazelet/wazelet/runtime/worker/launch"
)

func TestWorkerMustBeOfTheSameRelease(t *testing.T) {
	o := healthy(t)
	for script, want := range map[string]string{
		"#!/bin/sh\necho v1.2.4\n": "fail: " + o.WorkerPath + ` is version "v1.2.4", wazelet is "v1.2.3"`,
		"#!/bin/sh\nexit 3\n":      "fail: " + o.WorkerPath + " version: exit status 3",
		"not a program":            "fail: " + o.WorkerPath + " version: fork/exec " + o.WorkerPath + ": exec format error",
	} {
		write(t, o.WorkerPath, script)
		if got := about(checkWorker(t.Context(), o), ""); got != want {
			t.Errorf("finding is %q, want %q", got, want)
		}
	}
	write(t, o.WorkerPath, "#!/bin/sh\necho v1.2.3\n")
	other := launch.HTTPWorker(o.WorkerPath)
	write(t, other, "#!/bin/sh\necho v1.2.4\n")
	if got := about(checkWorker(t.Context(), o), ""); !strings.HasPrefix(got, "warn: "+other+` is version "v1.2.4", wazelet is "v1.2.3": pods`) {
		t.Errorf("finding is %q", got)
	}
	o.WorkerPath += "-absent"
	if got := about(checkWorker(t.Context(), o), ""); got != "fail: "+o.WorkerPath+" is missing" {
		t.Errorf("finding is %q", got)
	}
}

func TestSocketOfADaemonThatDoesNotRun(t *testing.T) {
	o := healthy(t)
	if got := about(checkSocket(t.Context(), o), ""); !strings.HasPrefix(got, "warn: wazelet serve does not run: ") {
		t.Errorf("without a socket: %s", got)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: o.Config.GRPC.Address, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	listener.Close()
	if got := about(checkSocket(t.Context(), o), ""); !strings.HasPrefix(got, "warn: wazelet serve does not run any more: ") {
		t.Errorf("with a dead daemon's socket: %s", got)
	}
}

// TestSocketOfSomethingElse lets a listener speak that knows no gRPC.
func TestSocketOfSomethingElse(t *testing.T) {
	o := healthy(t)
	listener, err := net.Listen("unix", o.Config.GRPC.Address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			connection.Close()
		}
	}()
	t.Cleanup(func() { listener.Close(); <-done })
	if got := about(checkSocket(t.Context(), o), ""); !strings.HasPrefix(got, "fail: "+o.Config.GRPC.Address+": Version: ") {
		t.Errorf("finding is %s", got)
	}
}

func TestWhatTheDaemonSays(t *testing.T) {
	for _, test := range []struct {
		answer probe.Answer
		want   string
	}{
		{probe.Answer{Name: "wazelet", Version: "v1.2.3"}, "ok: wazelet v1.2.3 answers at /s"},
		{probe.Answer{Name: "containerd", Version: "v2"}, "fail: /s belongs to containerd v2"},
		{probe.Answer{Name: "wazelet", Version: "v1.0.0", Unmet: []probe.Condition{{Type: "NetworkReady", Message: "no file"}}},
			"warn: the daemon at /s is version v1.0.0, this program v1.2.3\nfail: the daemon reports that NetworkReady does not hold: no file"},
		{probe.Answer{Name: "wazelet", Version: "v1.2.3", Unmet: []probe.Condition{{Type: "HasNoDeprecationWarnings", Message: "old"}}},
			"warn: HasNoDeprecationWarnings does not hold: old"},
	} {
		if got := about(examineAnswer("/s", test.answer, "v1.2.3"), ""); got != test.want {
			t.Errorf("findings are %q, want %q", got, test.want)
		}
	}
}
