// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/wazelet/wazelet/integration/lab"
	"golang.org/x/sys/unix"
)

// podNet is the range of the laboratory's bridge network.
var podNet = netip.MustParsePrefix("10.88.0.0/16")

// TestPodIP is an address of the pod's own, and reachable: nobody listens yet, so
// the pod's network refuses, which none but it can do.
func TestPodIP(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	seen := map[string]bool{}
	for _, name := range []string{"one", "two"} {
		s.pod(name, "containers: [{name: main, image: 'registry.example/tiny/pause:1.0'}]")
	}
	for _, name := range []string{"one", "two"} {
		p := s.wait(name, lab.Ready)
		ip, err := netip.ParseAddr(p.Status.PodIP)
		if err != nil || !podNet.Contains(ip) {
			t.Errorf("pod %s has the address %q, want one of %s", name, p.Status.PodIP, podNet)
		}
		equal(t, "host address", p.Status.HostIP, cluster.NodeIP())
		seen[p.Status.PodIP] = true
		refuses(t, p.Status.PodIP)
	}
	equal(t, "different addresses", len(seen), 2)
}

// refuses fails the test unless the address answers a TCP connection with a reset.
func refuses(t *testing.T, ip string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	conn, err := cluster.Dial(ctx, "tcp", net.JoinHostPort(ip, "9"))
	if err == nil {
		conn.Close()
		t.Fatalf("%s: somebody listens on port 9", ip)
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("%s is not reachable: %v", ip, err)
	}
}

// TestHostNetwork pods have the node's address and name.
func TestHostNetwork(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	log := s.run("host", "hostNetwork: true\ncontainers: [{name: main, image: 'registry.example/probe:1.0', args: [cat, /etc/hosts]}]")
	p := s.wait("host", lab.Succeeded)
	equal(t, "pod address", p.Status.PodIP, cluster.NodeIP())
	contains(t, "/etc/hosts", log, "localhost")
}

// TestPromptDeletion does not wait for the grace period, neither for a guest that
// spins nor for one that sleeps, and leaves nothing.
func TestPromptDeletion(t *testing.T) {
	s := newSpace(t)
	before, err := cluster.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for name, image := range map[string]string{"spin": "tiny/spin:1.0", "pause": "tiny/pause:1.0"} {
		s.pod(name, `
terminationGracePeriodSeconds: 100
containers: [{name: main, image: 'registry.example/`+image+`'}]
volumes: [{name: work, emptyDir: {medium: Memory}}]
`)
		s.wait(name, lab.Running)
		start := time.Now()
		s.in("delete", "pod", name, "--timeout=60s")
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("deleting %s took %s of a grace period of 100 s", name, took)
		}
	}
	s.clean(before)
}

// clean waits until nothing is left that was not there before, but for the records
// of sandboxes that are stopped: the kubelet removes those once a minute.
func (s *space) clean(before lab.Snapshot) {
	s.t.Helper()
	s.until(func() error {
		now, err := cluster.Snapshot()
		if err != nil {
			return err
		}
		now.Files = nil
		if leaks := before.Diff(now); len(leaks) > 0 {
			return fmt.Errorf("left behind:\n  %s", strings.Join(leaks, "\n  "))
		}
		return nil
	})
}
