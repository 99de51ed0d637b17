// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"os"
	goruntime "runtime"
	"strings"

	"github.com/wazelet/wazelet/integration/lab/image"
)

const kubeProxyImage = Registry + "/kube-proxy:1"

// kubeProxyObjects are kube-proxy as clusters have it: a privileged pod per node, on
// the node's network. It runs the node's own iptables. What it would set for the whole
// machine, the size of the table of connections, it is told to leave.
const kubeProxyObjects = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: kube-proxy, namespace: kube-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: kube-proxy}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: system:node-proxier}
subjects: [{kind: ServiceAccount, name: kube-proxy, namespace: kube-system}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-proxy, namespace: kube-system}
data:
  config.yaml: |
    apiVersion: kubeproxy.config.k8s.io/v1alpha1
    kind: KubeProxyConfiguration
    mode: iptables
    clusterCIDR: PODS
    hostnameOverride: NODE
    clientConnection: {kubeconfig: /config/kubeconfig.yaml}
    healthzBindAddress: 127.0.0.1:10256
    metricsBindAddress: 127.0.0.1:10249
    conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
  kubeconfig.yaml: |
    apiVersion: v1
    kind: Config
    clusters: [{name: lab, cluster: {server: "https://ADDRESS:6443", certificate-authority: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt}}]
    users: [{name: lab, user: {tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token}}]
    contexts: [{name: lab, context: {cluster: lab, user: lab}}]
    current-context: lab
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube-proxy, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: kube-proxy}}
  template:
    metadata: {labels: {k8s-app: kube-proxy}}
    spec:
      hostNetwork: true
      serviceAccountName: kube-proxy
      priorityClassName: system-node-critical
      tolerations: [{operator: Exists}]
      containers:
      - name: kube-proxy
        image: IMAGE
        args: [--config=/config/config.yaml]
        env: [{name: PATH, value: "/usr/sbin:/usr/bin"}]
        securityContext: {privileged: true}
        readinessProbe: {periodSeconds: 1, timeoutSeconds: 10, httpGet: {host: 127.0.0.1, port: 10256, path: /healthz}}
        volumeMounts:
        - {name: config, mountPath: /config}
        - {name: usr, mountPath: /usr, readOnly: true}
        - {name: alternatives, mountPath: /etc/alternatives, readOnly: true}
      volumes:
      - {name: config, configMap: {name: kube-proxy}}
      - {name: usr, hostPath: {path: /usr}}
      - {name: alternatives, hostPath: {path: /etc/alternatives}}
`

// StartKubeProxy runs kube-proxy in a container pod and waits until it is ready:
// Services have their addresses from then on.
func (c *Cluster) StartKubeProxy(ctx context.Context) error {
	// The node's programs are mounted over /usr.
	files := []image.File{
		{Path: "/usr/"}, {Path: "/lib", Link: "usr/lib"}, {Path: "/lib64", Link: "usr/lib64"},
		{Path: "/etc/"}, {Path: "/etc/alternatives/"}, {Path: "/config/"}, {Path: "/run/"},
	}
	if err := c.pushPart(ctx, kubeProxyImage, "kube-proxy", files...); err != nil {
		return err
	}
	manifest := strings.NewReplacer("IMAGE", kubeProxyImage, "NODE", c.options.Node, "ADDRESS", nodeIP, "PODS", podCIDR).Replace(kubeProxyObjects)
	if err := c.Apply(ctx, manifest); err != nil {
		return err
	}
	_, err := c.Kubectl(ctx, "rollout", "status", "--namespace", "kube-system", "--timeout", timeLeft(ctx), "daemonset/kube-proxy")
	return err
}

// pushPart stores a native image with one of the parts as its entrypoint.
func (c *Cluster) pushPart(ctx context.Context, ref, name string, files ...image.File) error {
	program, err := os.ReadFile(c.part(name))
	if err != nil {
		return fmt.Errorf("part %s: %w (make parts-mixed builds it)", name, err)
	}
	files = append(NativeFiles(), append(files, image.File{Path: "/" + name, Content: program, Mode: 0o755})...)
	_, err = c.PushFiles(ctx, ref, image.Config{Platform: "linux/" + goruntime.GOARCH, Entrypoint: []string{"/" + name}}, files...)
	return err
}
