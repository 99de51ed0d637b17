// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"slices"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// BenchmarkRouted asks the same of containerd through the node and directly, in turns,
// and reports the medians, in microseconds.
func BenchmarkRouted(b *testing.B) {
	node, containerd := dial(b, cluster.Socket()), dial(b, cluster.ContainerdSocket())
	config := pod("bench")
	s := node.run(b, config, "runc", nativeImage)
	for _, call := range []struct {
		name string
		do   func(client) error
	}{
		{"PodSandboxStatus", func(c client) error {
			_, err := c.PodSandboxStatus(b.Context(), &runtimeapi.PodSandboxStatusRequest{PodSandboxId: s.pod})
			return err
		}},
		{"ContainerStatus", func(c client) error {
			_, err := c.ContainerStatus(b.Context(), &runtimeapi.ContainerStatusRequest{ContainerId: s.container})
			return err
		}},
		{"ListPodSandbox", func(c client) error {
			_, err := c.ListPodSandbox(b.Context(), &runtimeapi.ListPodSandboxRequest{})
			return err
		}},
		{"ListContainers", func(c client) error {
			_, err := c.ListContainers(b.Context(), &runtimeapi.ListContainersRequest{})
			return err
		}},
		{"ImageStatus", func(c client) error {
			_, err := c.images.ImageStatus(b.Context(), &runtimeapi.ImageStatusRequest{Image: &runtimeapi.ImageSpec{Image: nativeImage}})
			return err
		}},
		{"Status", func(c client) error {
			_, err := c.Status(b.Context(), &runtimeapi.StatusRequest{})
			return err
		}},
	} {
		b.Run(call.name, func(b *testing.B) { inTurns(b, node, containerd, call.do) })
	}
}

// BenchmarkRoutedPod starts and removes the same pod through the node and directly, in
// turns, and reports the medians.
func BenchmarkRoutedPod(b *testing.B) {
	node, containerd := dial(b, cluster.Socket()), dial(b, cluster.ContainerdSocket())
	inTurns(b, node, containerd, func(c client) error {
		s, err := c.start(b.Context(), pod("bench"), "runc", nativeImage)
		if err != nil {
			return err
		}
		return c.end(b.Context(), s.pod)
	})
}

func inTurns(b *testing.B, node, containerd client, do func(client) error) {
	b.Helper()
	var through, direct []time.Duration
	timed := func(c client) time.Duration {
		since := time.Now()
		if err := do(c); err != nil {
			b.Fatal(err)
		}
		return time.Since(since)
	}
	timed(node)
	timed(containerd)
	for b.Loop() {
		through = append(through, timed(node))
		direct = append(direct, timed(containerd))
	}
	median := func(all []time.Duration) float64 {
		slices.Sort(all)
		return float64(all[len(all)/2].Nanoseconds()) / 1e3
	}
	b.ReportMetric(median(through), "routed-µs")
	b.ReportMetric(median(direct), "direct-µs")
	b.ReportMetric(median(through)-median(direct), "more-µs")
	b.ReportMetric(0, "ns/op") // of both together: of no use
}
