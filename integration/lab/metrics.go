// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	metricsServer     = "metrics-server"
	metricsServerPort = 4443
)

// metricsServerObjects register the metrics server with the API server. Its
// Service has no pods to select: its one endpoint is the process.
const metricsServerObjects = `
apiVersion: v1
kind: Service
metadata: {name: metrics-server, namespace: kube-system}
spec: {ports: [{name: https, port: 443, targetPort: PORT}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: metrics-server, namespace: kube-system, labels: {kubernetes.io/service-name: metrics-server}}
addressType: IPv4
endpoints: [{addresses: [ADDRESS], conditions: {ready: true}}]
ports: [{name: https, port: PORT, protocol: TCP}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.k8s.io}
spec:
  group: metrics.k8s.io
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
  service: {name: metrics-server, namespace: kube-system, port: 443}
`

// StartMetricsServer starts the metrics server, which kubectl top and the
// HorizontalPodAutoscaler ask, and waits until the API server offers its API.
func (c *Cluster) StartMetricsServer(ctx context.Context) error {
	config := c.path("admin.conf")
	err := c.startDaemon(metricsServer, c.part(metricsServer),
		"--kubeconfig", config,
		"--authentication-kubeconfig", config,
		"--authorization-kubeconfig", config,
		"--bind-address", nodeIP,
		"--secure-port", fmt.Sprint(metricsServerPort),
		"--cert-dir", c.path("metrics-server-pki"),
		"--kubelet-insecure-tls", // the kubelet's certificate is its own
		"--kubelet-preferred-address-types", "InternalIP",
		"--metric-resolution", "10s", // the least it takes
		"--kubelet-request-timeout", "9s",
	)
	if err != nil {
		return err
	}
	if err := c.Apply(ctx, metricsServerManifest()); err != nil {
		return err
	}
	ctx, stop := c.whileRunning(ctx, metricsServer, "kube-apiserver")
	defer stop()
	return c.Wait(ctx, "--for=condition=Available", "apiservice/v1beta1.metrics.k8s.io")
}

// StopMetricsServer ends the metrics server and takes its API away: an API that
// is registered and does not answer keeps namespaces from being deleted.
func (c *Cluster) StopMetricsServer(ctx context.Context) error {
	_, err := c.CommandInput(ctx, strings.NewReader(metricsServerManifest()), "kubectl", "delete", "--ignore-not-found", "-f", "-")
	return errors.Join(err, c.stopDaemon(metricsServer, unix.SIGKILL, 0))
}

func metricsServerManifest() string {
	return strings.NewReplacer("PORT", fmt.Sprint(metricsServerPort), "ADDRESS", nodeIP).Replace(metricsServerObjects)
}
