// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/sandbox/netns"
)

// TestAnAdoptedPodIsNotOursToEnd: what another runtime has made outlives what Wazelet
// has in it, also over a restart of the daemon.
func TestAnAdoptedPodIsNotOursToEnd(t *testing.T) {
	n := newNode(t)
	c := n.start()
	path := filepath.Join(t.TempDir(), "netns")
	if err := netns.Create(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netns.Remove(path); err != nil {
			t.Error(err)
		}
	})
	config := podConfig("mixed")
	config.Network = NetworkPod
	pod := Foreign{ID: strings.Repeat("ab", 32), NetNS: path, IPs: []string{"192.0.2.7"}, CreatedAt: time.Unix(1, 0)}

	sb, err := c.Adopt(t.Context(), pod, config)
	if err != nil {
		t.Fatal(err)
	}
	if sb.ID != pod.ID || sb.State != StateReady || !sb.Adopted || sb.NetNS != path || !strings.Contains(read(t, filepath.Join(c.Dir(sb.ID), "hosts")), "192.0.2.7\t") {
		t.Errorf("adopted %+v", sb)
	}
	if again, err := c.Adopt(t.Context(), pod, config); err != nil || again.ID != sb.ID {
		t.Errorf("adopted again: %+v, %v", again, err)
	}
	other := pod
	other.ID = strings.Repeat("cd", 32)
	if _, err := c.Adopt(t.Context(), other, config); !errdefs.IsAlreadyExists(err) {
		t.Errorf("another pod of the name: %v", err)
	}

	c.Close()
	c = n.start()
	if sb, err := c.Get(pod.ID); err != nil || sb.State != StateReady || !sb.Adopted {
		t.Errorf("after a restart: %+v, %v", sb, err)
	}
	for range 2 {
		if err := c.Stop(t.Context(), pod.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Adopt(t.Context(), pod, config); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("a stopped one: %v", err)
	}
	if err := c.Remove(t.Context(), pod.ID); err != nil {
		t.Fatal(err)
	}
	if there, err := netns.Exists(path); err != nil || !there {
		t.Errorf("the pod's network namespace is gone: %v", err)
	}
	if _, err := os.Stat(c.Dir(pod.ID)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its directory stays: %v", err)
	}
}

func TestWhatCannotBeAdopted(t *testing.T) {
	c := newNode(t).start()
	config := podConfig("mixed")
	config.Network = NetworkPod
	for name, test := range map[string]struct {
		pod Foreign
		is  func(error) bool
	}{
		"no id":      {Foreign{ID: "../x", NetNS: "/proc/self/ns/net"}, errdefs.IsInvalidArgument},
		"no network": {Foreign{ID: strings.Repeat("ab", 32), NetNS: filepath.Join(t.TempDir(), "none")}, errdefs.IsFailedPrecondition},
		"a file":     {Foreign{ID: strings.Repeat("ab", 32), NetNS: "/etc/passwd"}, errdefs.IsFailedPrecondition},
	} {
		if _, err := c.Adopt(t.Context(), test.pod, config); !test.is(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list := c.List(); len(list) != 0 {
		t.Errorf("left %v", list)
	}
}
