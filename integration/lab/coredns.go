// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"strings"
)

const coreDNSImage = Registry + "/coredns:1"

// coreDNSObjects are CoreDNS as clusters have it, on the address that the kubelet
// gives to pods. It knows no name outside the cluster.
const coreDNSObjects = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: coredns, namespace: kube-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: system:coredns}
rules:
- {apiGroups: [""], resources: [services, pods, namespaces], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: system:coredns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: system:coredns}
subjects: [{kind: ServiceAccount, name: coredns, namespace: kube-system}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: coredns, namespace: kube-system}
data:
  Corefile: |
    .:53 {
        errors
        health :8080
        ready :8181
        kubernetes cluster.local in-addr.arpa {
            pods insecure
            ttl 1
        }
        cache 1
        loadbalance
    }
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: coredns, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: kube-dns}}
  template:
    metadata: {labels: {k8s-app: kube-dns}}
    spec:
      serviceAccountName: coredns
      priorityClassName: system-cluster-critical
      dnsPolicy: Default
      containers:
      - name: coredns
        image: IMAGE
        args: [-conf, /config/Corefile]
        ports: [{name: dns, containerPort: 53, protocol: UDP}, {name: dns-tcp, containerPort: 53, protocol: TCP}]
        resources: {requests: {cpu: 50m, memory: 70Mi}, limits: {memory: 170Mi}}
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}
        livenessProbe: {httpGet: {path: /health, port: 8080}, initialDelaySeconds: 30, timeoutSeconds: 5}
        readinessProbe: {periodSeconds: 1, timeoutSeconds: 10, httpGet: {path: /ready, port: 8181}}
        volumeMounts: [{name: config, mountPath: /config, readOnly: true}]
      volumes: [{name: config, configMap: {name: coredns}}]
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec:
  clusterIP: ADDRESS
  selector: {k8s-app: kube-dns}
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
`

// StartCoreDNS runs the cluster's DNS in a container pod and waits until it is ready.
// It reaches the API server by its Service, which takes kube-proxy.
func (c *Cluster) StartCoreDNS(ctx context.Context) error {
	if err := c.pushPart(ctx, coreDNSImage, "coredns"); err != nil {
		return err
	}
	manifest := strings.NewReplacer("IMAGE", coreDNSImage, "ADDRESS", dnsIP).Replace(coreDNSObjects)
	if err := c.Apply(ctx, manifest); err != nil {
		return err
	}
	_, err := c.Kubectl(ctx, "rollout", "status", "--namespace", "kube-system", "--timeout", timeLeft(ctx), "deployment/coredns")
	return err
}
