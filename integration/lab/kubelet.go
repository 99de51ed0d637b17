// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"maps"
	"os"
)

// podPidsLimit is how many tasks a pod may have, which no worker comes near.
const podPidsLimit = 512

// kubeletConfig is the configuration of the kubelet: that of an ordinary node
// with wazelet as its only runtime, but quicker to notice things, and in its own
// folders; and what Options.Kubelet says otherwise.
func (c *Cluster) kubeletConfig() object {
	config := object{
		"apiVersion":               "kubelet.config.k8s.io/v1beta1",
		"kind":                     "KubeletConfiguration",
		"containerRuntimeEndpoint": c.kubeletEndpoint(),
		"address":                  nodeIP,
		"healthzBindAddress":       "127.0.0.1",
		"healthzPort":              10248,
		"staticPodPath":            c.path("static"),
		"podLogsDir":               c.PodLogs(),
		"volumePluginDir":          c.path("volumeplugins"),
		"resolvConf":               c.path("resolv.conf"),
		"clusterDNS":               []string{dnsIP},
		"clusterDomain":            "cluster.local",
		"maxPods":                  250,

		"authentication": object{
			"anonymous": object{"enabled": false},
			"webhook":   object{"enabled": true},
			"x509":      object{"clientCAFile": c.path("pki/ca.crt")},
		},
		"authorization": object{"mode": "Webhook"},

		// The pods' cgroups are real, below the laboratory's own branch.
		"cgroupDriver":  "cgroupfs",
		"cgroupsPerQOS": true,
		"cgroupRoot":    "/" + c.name,
		"failCgroupV1":  false,
		"failSwapOn":    false,
		"podPidsLimit":  podPidsLimit,

		// A busy disk must not evict the pods of a test, nor collect its images.
		"evictionHard":                object{},
		"imageGCHighThresholdPercent": 100,
		"imageGCLowThresholdPercent":  99,

		"serializeImagePulls": false,
		"registryPullQPS":     0,
		"eventRecordQPS":      0,

		// As quick as the kubelet allows: log rotation is looked at every three
		// seconds at best, a crashing container may be restarted every second.
		"containerLogMaxSize":         c.options.LogMaxSize,
		"containerLogMaxFiles":        3,
		"containerLogMonitorInterval": "3s",
		"crashLoopBackOff":            object{"maxContainerRestartPeriod": "2s"},
		"syncFrequency":               "10s",
		"fileCheckFrequency":          "1s",
		"nodeStatusUpdateFrequency":   "2s",

		// The laboratory has no kube-proxy, so nobody needs the kubelet's chains.
		"makeIPTablesUtilChains": false,

		"featureGates": c.featureGates(),
	}
	maps.Copy(config, c.options.Kubelet)
	maps.DeleteFunc(config, func(_ string, value any) bool { return value == nil })
	return config
}

// ReconfigureKubelet is RestartKubelet with other Options.Kubelet. It may be another
// runtime's (containerRuntimeEndpoint) while there are no pods.
func (c *Cluster) ReconfigureKubelet(ctx context.Context, fields map[string]any) error {
	c.options.Kubelet = fields
	if err := os.WriteFile(c.path("kubelet.yaml"), []byte(text(c.kubeletConfig())), 0o600); err != nil {
		return err
	}
	return c.RestartKubelet(ctx)
}

func (c *Cluster) kubeletEndpoint() string {
	if c.options.Host {
		return "unix://" + c.ContainerdSocket()
	}
	return "unix://" + c.Socket()
}

func (c *Cluster) featureGates() object {
	gates := object{}
	for _, gate := range c.options.FeatureGates {
		gates[gate] = true
	}
	return gates
}

// Kubelet returns what a path of the kubelet's own server answers, such as
// "/stats/summary".
func (c *Cluster) Kubelet(ctx context.Context, path string) (string, error) {
	out, err := c.Kubectl(ctx, "get", "--raw", "/api/v1/nodes/"+c.options.Node+"/proxy"+path)
	return out.Stdout, err
}

func (c *Cluster) startKubelet() error {
	return c.startDaemon("kubelet", c.part("kubelet"), append(c.kubeletFlags(), "--config", c.path("kubelet.yaml"))...)
}

// kubeletFlags are what the kubelet is not told by its configuration.
func (c *Cluster) kubeletFlags() []string {
	return []string{
		"--kubeconfig", c.path("kubelet.conf"),
		"--root-dir", c.path("kubelet"),
		"--cert-dir", c.path("kubelet-pki"),
		"--hostname-override", c.options.Node,
		"--node-ip", nodeIP + "," + nodeIPv6,
		"--v", "2",
	}
}
