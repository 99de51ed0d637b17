// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/wazelet/wazelet/integration/lab"
)

// scaled is a server that may grow with its load.
const scaled = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      runtimeClassName: wasm
      containers:
      - name: main
        image: registry.example/web:1.0
        ports: [{name: http, containerPort: 8080}]
        resources: {requests: {cpu: 20m, memory: 32Mi}, limits: {cpu: 200m}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 1
  maxReplicas: 3
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 100}}}]
`

// TestTopAndAutoscaling asks the metrics server for Wasm pods: kubectl top shows
// them, and the HorizontalPodAutoscaler scales a Deployment up under load.
func TestTopAndAutoscaling(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	s.ctx = ctx // metrics come every ten seconds
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := cluster.StopMetricsServer(ctx); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the end of its log:\n%s", lab.Tail(cluster.LogFile("metrics-server"), 20))
		}
	})
	if err := cluster.StartMetricsServer(s.ctx); err != nil {
		t.Fatal(err)
	}
	s.apply(scaled)
	ip := s.podIPs("app=web", 1)[0]
	s.load(ip)

	// web-…   main   187m   9Mi
	row := regexp.MustCompile(`(?m)^web-\S+\s+main\s+(\d+)m\s+(\d+)Mi\s*$`)
	s.until(func() error {
		out, err := cluster.Kubectl(s.ctx, "top", "pod", "--containers", "--namespace", s.name)
		if err != nil {
			return err
		}
		match := row.FindStringSubmatch(out.Stdout)
		if match == nil {
			return fmt.Errorf("kubectl top pod shows\n%s", out.Stdout)
		}
		cpu, _ := strconv.Atoi(match[1])
		memory, _ := strconv.Atoi(match[2])
		if cpu < 21 || memory < 1 {
			return fmt.Errorf("kubectl top pod shows %dm and %dMi for a pod that computes", cpu, memory)
		}
		return nil
	})
	contains(t, "kubectl top node", s.kubectl("top", "node"), cluster.Node())
	s.until(func() error {
		var deployment struct{ Status struct{ ReadyReplicas int } }
		if err := cluster.Get(s.ctx, &deployment, "deployment", "web", "--namespace", s.name); err != nil {
			return err
		}
		if n := deployment.Status.ReadyReplicas; n < 2 {
			hpa, err := cluster.Kubectl(s.ctx, "describe", "hpa", "web", "--namespace", s.name)
			return fmt.Errorf("%d replicas under load (%w)\n%s", n, err, hpa.Stdout)
		}
		return nil
	})
}

// load keeps the server computing until the test ends.
func (s *space) load(ip string) {
	ctx, cancel := context.WithCancel(s.ctx)
	var clients sync.WaitGroup
	s.t.Cleanup(clients.Wait)
	s.t.Cleanup(cancel)
	client := labClient(s.t, 2)
	for range 2 {
		clients.Go(func() {
			for ctx.Err() == nil {
				if _, err := get(ctx, client, "http://"+ip+":8080/burn?d=100ms"); err != nil && ctx.Err() == nil {
					s.t.Errorf("the server under load: %v", err)
					return
				}
			}
		})
	}
}
