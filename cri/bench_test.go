// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/guests/tiny"
)

// benchPods is more than a kubelet runs by default (110) and than it is told to
// on large nodes (250).
const benchPods = 500

// BenchmarkCalls asks a node of 500 pods, each with a network of its own, one
// running container and a process, as the kubelet does: over gRPC on the socket.
// Beside the mean it tells the slowest percent, which is what counts for a
// kubelet that asks once a second.
func BenchmarkCalls(b *testing.B) {
	n := newNode(b)
	logrus.SetLevel(logrus.InfoLevel) // as it is by default
	n.addInterfaces()
	pods, containers := n.fill(benchPods)
	runtime, images := runtimeapi.NewRuntimeServiceClient(n.conn), runtimeapi.NewImageServiceClient(n.conn)
	ctx := b.Context()
	for _, call := range []struct {
		name string
		ask  func(i int) (got int, err error)
		want int
	}{
		{"Status", func(int) (int, error) {
			r, err := runtime.Status(ctx, &runtimeapi.StatusRequest{})
			return len(r.GetStatus().GetConditions()), err
		}, 2},
		{"ListPodSandbox", func(int) (int, error) {
			r, err := runtime.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{})
			return len(r.GetItems()), err
		}, benchPods},
		{"ListContainers", func(int) (int, error) {
			r, err := runtime.ListContainers(ctx, &runtimeapi.ListContainersRequest{})
			return len(r.GetContainers()), err
		}, benchPods},
		{"PodSandboxStatus", func(i int) (int, error) {
			r, err := runtime.PodSandboxStatus(ctx, &runtimeapi.PodSandboxStatusRequest{PodSandboxId: pods[i%benchPods]})
			return len(r.GetStatus().GetId()), err
		}, 64},
		{"ContainerStatus", func(i int) (int, error) {
			r, err := runtime.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: containers[i%benchPods]})
			return len(r.GetStatus().GetId()), err
		}, 64},
		{"ContainerStats", func(i int) (int, error) {
			r, err := runtime.ContainerStats(ctx, &runtimeapi.ContainerStatsRequest{ContainerId: containers[i%benchPods]})
			return len(r.GetStats().GetAttributes().GetId()), err
		}, 64},
		{"PodSandboxStats", func(i int) (int, error) {
			r, err := runtime.PodSandboxStats(ctx, &runtimeapi.PodSandboxStatsRequest{PodSandboxId: pods[i%benchPods]})
			return len(r.GetStats().GetLinux().GetContainers()), err
		}, 1},
		{"ListContainerStats", func(int) (int, error) {
			r, err := runtime.ListContainerStats(ctx, &runtimeapi.ListContainerStatsRequest{})
			return len(r.GetStats()), err
		}, benchPods},
		{"ListPodSandboxStats", func(int) (int, error) {
			r, err := runtime.ListPodSandboxStats(ctx, &runtimeapi.ListPodSandboxStatsRequest{})
			return len(r.GetStats()), err
		}, benchPods},
		{"ListPodSandboxMetrics", func(int) (int, error) {
			r, err := runtime.ListPodSandboxMetrics(ctx, &runtimeapi.ListPodSandboxMetricsRequest{})
			return len(r.GetPodMetrics()), err
		}, benchPods},
		{"ListImages", func(int) (int, error) {
			r, err := images.ListImages(ctx, &runtimeapi.ListImagesRequest{})
			return len(r.GetImages()), err
		}, 1},
		{"ImageFsInfo", func(int) (int, error) {
			r, err := images.ImageFsInfo(ctx, &runtimeapi.ImageFsInfoRequest{})
			return len(r.GetImageFilesystems()), err
		}, 1},
	} {
		b.Run(call.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				got, err := call.ask(len(took))
				took = append(took, time.Since(start))
				if err != nil || got != call.want {
					b.Fatalf("got %d, want %d, %v", got, call.want, err)
				}
			}
			slices.Sort(took)
			percentile := func(p int) float64 {
				return float64(took[(len(took)-1)*p/100].Microseconds()) / 1000
			}
			b.ReportMetric(percentile(0), "min-ms")
			b.ReportMetric(percentile(50), "p50-ms")
			b.ReportMetric(percentile(99), "p99-ms")
		})
	}
}

// addInterfaces gives the node a pod network whose only plugin makes an
// interface eth0 in the pod and the addresses up.
func (n *testNode) addInterfaces() {
	n.t.Helper()
	n.addNetwork()
	must(n.t, os.WriteFile(filepath.Join(n.dir, "plugins", "same"), []byte(`#!/bin/sh
cat >/dev/null
case "$CNI_COMMAND" in
VERSION) echo '{"cniVersion":"1.0.0","supportedVersions":["1.0.0"]}' ;;
ADD) nsenter --net="$CNI_NETNS" ip link add eth0 type bridge || exit 1
     echo '{"cniVersion":"1.0.0","ips":[{"address":"10.1.2.3/24"},{"address":"fd00::3/64"}]}' ;;
esac
`), 0o755))
}

// fill runs pods of one container each, with what a kubelet writes to them, and
// returns the ids.
func (n *testNode) fill(count int) (pods, containers []string) {
	n.t.Helper()
	ref := n.publishModule("pause:v1", tiny.Pause("up\n"))
	image := n.pull(ref)
	pods, containers = make([]string, count), make([]string, count)
	var wg sync.WaitGroup
	limit := make(chan struct{}, 4)
	for i := range count {
		wg.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			name := fmt.Sprintf("deployment-6d4cf56db6-%05d", i)
			labels := map[string]string{
				"app": "deployment", "pod-template-hash": "6d4cf56db6", "io.kubernetes.pod.name": name,
				"io.kubernetes.pod.namespace": "default", "io.kubernetes.pod.uid": fmt.Sprintf("5f0e2c1e-8f4e-4d3b-9f53-%012d", i),
			}
			pod := n.pod(name)
			pod.Labels = labels
			pod.Annotations = map[string]string{"kubernetes.io/config.seen": "2026-11-29T12:00:00.000000000Z", "kubernetes.io/config.source": "api"}
			pod.Linux.SecurityContext.NamespaceOptions.Network = runtimeapi.NamespaceMode_POD
			pods[i] = n.run(pod)
			config := n.container("web", ref, image)
			config.Labels = map[string]string{"io.kubernetes.container.name": "web"}
			for key, value := range labels {
				config.Labels[key] = value
			}
			config.Annotations = map[string]string{
				"io.kubernetes.container.hash": "8a1c2d3e", "io.kubernetes.container.restartCount": "0",
				"io.kubernetes.container.terminationMessagePath": "/dev/termination-log", "io.kubernetes.container.terminationMessagePolicy": "File",
				"io.kubernetes.pod.terminationGracePeriod": "30",
			}
			containers[i] = n.create(pods[i], config, pod)
			must(n.t, n.runtime.StartContainer(n.t.Context(), containers[i]))
		})
	}
	wg.Wait()
	return pods, containers
}
