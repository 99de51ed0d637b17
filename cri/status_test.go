// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"errors"
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cgroup"
)

func TestHandlersResolve(t *testing.T) {
	h := newHandlers([]string{"wasm", "hybrid", "wasm"}, "wasm", nil)
	for name, want := range map[string]string{"": "wasm", "wasm": "wasm", "hybrid": "hybrid"} {
		if got, err := h.resolve(name); err != nil || got != want {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	_, err := h.resolve("runc")
	refused(t, err)
	if got, want := err.Error(), `runtime handler "runc" is not configured (known: hybrid, wasm)`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestHandlersStatusHasTheDefaultAndEachNameOnce(t *testing.T) {
	known := make(chan struct{})
	handlers := newHandlers([]string{"wasm", "hybrid", "wasm"}, "wasm", func(ctx context.Context) error {
		select {
		case <-known:
			return errors.New("too old a kernel")
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	impatient, give := context.WithCancel(t.Context())
	give()
	if list, err := handlers.status(impatient); !errors.Is(err, context.Canceled) {
		t.Errorf("handlers before it is known what they can: %v, %v", list, err)
	}
	close(known)
	list, err := handlers.status(t.Context())
	must(t, err)
	var names []string
	for _, h := range list {
		names = append(names, h.GetName())
		if h.GetFeatures().GetUserNamespaces() {
			t.Errorf("%q offers user namespaces", h.GetName())
		}
		if !h.GetFeatures().GetRecursiveReadOnlyMounts() {
			t.Errorf("%q: no recursive read-only mounts, though every kernel from 5.12 has mount_setattr(2)", h.GetName())
		}
	}
	if len(names) != 3 || names[0] != "" || names[1] != "hybrid" || names[2] != "wasm" {
		t.Errorf("handlers %q", names)
	}
}

func TestNetworkCondition(t *testing.T) {
	if c := networkCondition(nil); c.GetType() != runtimeapi.NetworkReady || !c.GetStatus() || c.GetReason() != "" {
		t.Errorf("%v", c)
	}
	c := networkCondition(errors.New("no network configuration in /etc/cni/net.d"))
	if c.GetStatus() || c.GetReason() != "NetworkPluginNotReady" || c.GetMessage() != "no network configuration in /etc/cni/net.d" {
		t.Errorf("%v", c)
	}
}

func TestCgroupDriver(t *testing.T) {
	for driver, want := range map[cgroup.Driver]runtimeapi.CgroupDriver{
		cgroup.Systemd: runtimeapi.CgroupDriver_SYSTEMD, cgroup.Cgroupfs: runtimeapi.CgroupDriver_CGROUPFS,
	} {
		if got := cgroupDriver(driver); got != want {
			t.Errorf("%s: %s", driver, got)
		}
	}
}
