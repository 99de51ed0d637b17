// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/parts"
)

// TestFeatureGates has a cluster of its own, whose kubelet takes statistics,
// events and streamed lists from Wazelet. The cluster that all other tests share
// has the kubelet's defaults, which are without.
func TestFeatureGates(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	gated := newCluster(ctx, t, lab.Options{FeatureGates: []string{"PodAndContainerStatsFromCRI", "EventedPLEG", "CRIListStreaming"}})
	for _, manifest := range []string{
		podManifest("spinner", spinner),
		podManifest("web", strings.ReplaceAll(strings.ReplaceAll(server, "  EXTRA\n", ""), ", hostPort: HOSTPORT", "")),
		podManifest("short", "containers: [{name: main, image: 'registry.example/hello:1.0'}]"),
	} {
		if err := gated.Apply(ctx, manifest); err != nil {
			t.Fatal(err)
		}
	}
	for pod, want := range map[string]func(*lab.Pod) bool{"spinner": lab.Running, "web": lab.Ready, "short": lab.Succeeded} {
		if _, err := gated.WaitPod(ctx, "default", pod, want); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("stats", func(t *testing.T) { gatedStats(ctx, t, gated) })
	t.Run("events", func(t *testing.T) { gatedEvents(ctx, t, gated) })
	t.Run("streamed lists", func(t *testing.T) {
		log, err := os.ReadFile(gated.LogFile("wazelet"))
		if err != nil {
			t.Fatal(err)
		}
		for _, method := range []string{"StreamPodSandboxes", "StreamContainers", "StreamImages", "StreamPodSandboxStats", "StreamPodSandboxMetrics"} {
			if !strings.Contains(string(log), "method="+method) {
				t.Errorf("the kubelet has not called %s", method)
			}
		}
		if strings.Contains(string(log), "Unimplemented") {
			t.Error("a call was answered with Unimplemented")
		}
	})
}

// newCluster brings up a cluster with the guests' images, and takes it down with
// the test.
func newCluster(ctx context.Context, t *testing.T, options lab.Options) *lab.Cluster {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "wazelet-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	options.Dir = dir
	c, err := lab.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		err := c.Down(ctx)
		if t.Failed() {
			t.Logf("the logs are in %s", filepath.Join(dir, "log"))
		} else {
			err = errors.Join(err, c.RemoveScratch())
		}
		if err != nil {
			t.Error(err)
		}
	})
	repo, err := parts.Repo()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Up(ctx); err != nil {
		t.Fatal(err)
	}
	_, err = c.Kubectl(ctx, "apply", "-f", filepath.Join(repo, "examples", "runtimeclass.yaml"))
	if err := errors.Join(err, c.PushGuests(ctx)); err != nil {
		t.Fatal(err)
	}
	return c
}

// gatedStats: pods have a network, and /metrics/cadvisor their series.
func gatedStats(ctx context.Context, t *testing.T, c *lab.Cluster) {
	web, err := c.Pod(ctx, "default", "web")
	if err != nil {
		t.Fatal(err)
	}
	client := c.HTTP()
	defer client.CloseIdleConnections()
	response, err := client.Get("http://" + web.Status.PodIP + ":8080/") //nolint:noctx // the client has a timeout
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("the server answers %s", response.Status)
	}
	must(t, poll(ctx, func() error {
		spinner, err := summaryOf(ctx, c, "default", "spinner")
		if err != nil {
			return err
		}
		if spinner.ProcessStats == nil || number(spinner.ProcessStats.Count) != "1" {
			return fmt.Errorf("processes %+v", spinner.ProcessStats)
		}
		return spinner.busy("main")
	}))
	summary, err := summaryOf(ctx, c, "default", "web")
	if err != nil {
		t.Fatal(err)
	}
	if n := summary.Network; n == nil || n.Name != "eth0" || n.RxBytes == nil || *n.RxBytes == 0 || n.TxBytes == nil || *n.TxBytes == 0 {
		t.Errorf("network of a pod that has served a request: %+v", n)
	}
	text, err := c.Kubelet(ctx, "/metrics/cadvisor")
	if err != nil {
		t.Fatal(err)
	}
	for name, labels := range map[string][]string{
		"container_memory_working_set_bytes":    {`container="main"`, `pod="spinner"`, `namespace="default"`, `image="registry.example/probe:1.0"`},
		"container_cpu_usage_seconds_total":     {`container="main"`, `pod="spinner"`, `cpu="total"`},
		"container_spec_memory_limit_bytes":     {`container="main"`, `pod="spinner"`},
		"container_network_receive_bytes_total": {`container=""`, `pod="web"`, `interface="eth0"`},
		"container_fs_usage_bytes":              {`container="main"`, `pod="web"`, `device="/dev/`},
	} {
		if value, ok := findSeries(text, name, labels...); !ok || value <= 0 {
			t.Errorf("/metrics/cadvisor: %s with %q is %v (%t)", name, labels, value, ok)
		}
	}
}

// findSeries finds the series of a metric that has all of the labels.
func findSeries(text, name string, labels ...string) (float64, bool) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, name+"{") || missing(line, labels...) != nil {
			continue
		}
		series, _, _ := strings.Cut(line, "} ")
		return seriesValue(line, series+"}")
	}
	return 0, false
}

// gatedEvents: the kubelet's stream of events stands and brings events; a pod's
// end is among them.
func gatedEvents(ctx context.Context, t *testing.T, c *lab.Cluster) {
	must(t, poll(ctx, func() error {
		text, err := c.Kubelet(ctx, "/metrics")
		if err != nil {
			return err
		}
		for metric, least := range map[string]float64{
			"kubelet_evented_pleg_connection_success_count":         1,
			"kubelet_evented_pleg_connection_latency_seconds_count": 8, // three pods, one of which has ended
		} {
			if value, ok := seriesValue(text, metric); !ok || value < least {
				return fmt.Errorf("%s is %v (%t), want %v at least", metric, value, ok, least)
			}
		}
		if failures, _ := seriesValue(text, "kubelet_evented_pleg_connection_error_count"); failures > 0 {
			return fmt.Errorf("%v streams of events failed", failures)
		}
		return nil
	}))
	// A restart of the daemon ends the stream; the pods do not mind.
	if err := c.RestartRuntime(ctx); err != nil {
		t.Fatal(err)
	}
	must(t, c.Apply(ctx, podManifest("later", "containers: [{name: main, image: 'registry.example/hello:1.0'}]")))
	if _, err := c.WaitPod(ctx, "default", "later", lab.Succeeded); err != nil {
		t.Error(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
