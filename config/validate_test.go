// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestTheDefaultsAreValid(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
}

// rules sets the rules a, b …
func rules(list ...ImageRule) func(*Config) {
	return func(c *Config) {
		c.Image.Policy.Rules = map[string]ImageRule{}
		for i, rule := range list {
			c.Image.Policy.Rules[string(rune('a'+i))] = rule
		}
	}
}

func TestEachValueIsJudged(t *testing.T) {
	for _, test := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Root = "" }, `root: "" is not an absolute path`},
		{func(c *Config) { c.Root = "//" }, `root: "//" is the root of the file system`},
		{func(c *Config) { c.Root = "/a\x00b" }, `root: "/a\x00b" holds a NUL byte`},
		{func(c *Config) { c.State = c.Root }, `state: is the same directory as root, but a reboot may only clear one of them`},
		{func(c *Config) { c.GRPC.Address = "unix:///a" }, `grpc.address: "unix:///a" is a URL; write the path alone: "/a"`},
		{func(c *Config) { c.GRPC.Address = "/" + strings.Repeat("a", 107) }, `grpc.address: "/` + strings.Repeat("a", 107) + `" is longer than the 107 bytes of a socket's path`},
		{func(c *Config) { c.Streaming.Address = "localhost:0" }, `streaming.address: "localhost:0" is not an IP address and a port, such as "127.0.0.1:0"`},
		{func(c *Config) { c.Streaming.Address = "127.0.0.1:65536" }, `streaming.address: "127.0.0.1:65536" is not an IP address and a port, such as "127.0.0.1:0"`},
		{func(c *Config) { c.Streaming.Address = "0.0.0.0:0" }, `streaming.address: "0.0.0.0:0" is not a loopback address, such as "127.0.0.1:0"`},
		{func(c *Config) { c.Metrics.Address = ":9410" }, `metrics.address: ":9410" is not an IP address and a port, such as "127.0.0.1:9410"`},
		{func(c *Config) { c.Tracing.Endpoint = "http://127.0.0.1:4317" }, `tracing.endpoint: "http://127.0.0.1:4317" is not a host and a port, such as "127.0.0.1:4317"`},
		{func(c *Config) { c.Tracing.Endpoint = "127.0.0.1:otlp" }, `tracing.endpoint: "127.0.0.1:otlp" is not a host and a port, such as "127.0.0.1:4317"`},
		{func(c *Config) { c.Tracing.SamplingRatePerMillion = 1000001 }, `tracing.sampling_rate_per_million: 1000001 is not between 0 and 1000000`},
		{func(c *Config) { c.Log.Level = "loud" }, `log.level: "loud" is not one of trace, debug, info, warn, error`},
		{func(c *Config) { c.Log.Format = "xml" }, `log.format: "xml" is not one of text, json`},
		{func(c *Config) { c.Cgroup.Driver = "none" }, `cgroup.driver: "none" is not one of cgroupfs, systemd`},
		{func(c *Config) { c.Cgroup.Parent = "wazelet" }, `cgroup.parent: "wazelet" is not an absolute path`},
		{func(c *Config) { c.Cgroup.Parent = "/a/../b" }, `cgroup.parent: "/a/../b" is not in its shortest form, "/b"`},
		{func(c *Config) { c.Cgroup.Driver = "systemd" }, `cgroup.parent: "/wazelet" is not the name of a slice, such as "wazelet.slice", which the systemd driver needs`},
		{func(c *Config) { c.Network.BinDirs = nil }, `network.bin_dirs: is empty: no plugin can be found`},
		{func(c *Config) { c.Network.BinDirs = []string{"/a", "b"} }, `network.bin_dirs: "b" is not an absolute path`},
		{func(c *Config) { c.Network.Parallelism = -1 }, `network.parallelism: -1 is not between 0 and 1024`},
		{func(c *Config) { c.Network.ConfDir = "" }, `network.conf_dir: "" is not an absolute path`},
		{func(c *Config) { c.Image.Snapshotter = "zfs" }, `image.snapshotter: "zfs" is not one of overlay, native`},
		{func(c *Config) { c.Device.CDIDirs = []string{"/a", "b"} }, `device.cdi_dirs: "b" is not an absolute path`},
		{func(c *Config) { c.Image.HostsDir = "a" }, `image.hosts_dir: "a" is not an absolute path`},
		{func(c *Config) { c.Image.MaxConcurrentDownloads = 0 }, `image.max_concurrent_downloads: 0 is not between 1 and 1024`},
		{func(c *Config) { c.Image.Pinned = []string{"a:b:c"} }, `image.pinned: "a:b:c" is no image's name: invalid reference format`},
		{func(c *Config) { c.Image.ProgressTimeout = 0 }, `image.progress_timeout: "0s" is less than a second; a duration is written with its unit, such as "5m"`},
		{func(c *Config) { c.Image.Policy.Default = "signed" }, `image.policy.default: "signed" is not one of anything, nothing`},
		{rules(ImageRule{Scopes: []string{"r.example"}}), `image.policy.rules.a.accept: "" is not one of anything, nothing, signed`},
		{rules(ImageRule{Accept: "nothing"}), `image.policy.rules.a.scopes: is empty: the rule is about no image`},
		{rules(ImageRule{Accept: "nothing", Scopes: []string{"nginx"}}), `image.policy.rules.a.scopes: "nginx" is neither a registry, a namespace nor a repository, with the registry's name and without a tag`},
		{rules(ImageRule{Accept: "nothing", Scopes: []string{"r.example/app:v1"}}), `image.policy.rules.a.scopes: "r.example/app:v1" is neither a registry, a namespace nor a repository, with the registry's name and without a tag`},
		{rules(ImageRule{Accept: "nothing", Scopes: []string{"r.example", "localhost:5000/a"}}, ImageRule{Accept: "anything", Scopes: []string{"r.example"}}), `image.policy.rules.b.scopes: "r.example" is a scope of rule a too`},
		{rules(ImageRule{Accept: "signed", Scopes: []string{"*.example"}}), `image.policy.rules.a.keys: is empty: no signature could count`},
		{rules(ImageRule{Accept: "signed", Scopes: []string{"*.example"}, Keys: []string{"k"}}), `image.policy.rules.a.keys: "k" is not an absolute path`},
		{rules(ImageRule{Accept: "anything", Scopes: []string{"*.example"}, Keys: []string{"/k"}}), `image.policy.rules.a.keys: is only for rules that accept "signed"`},
		{func(c *Config) { c.Worker.Path = "a" }, `worker.path: "a" is not an absolute path`},
		{func(c *Config) { c.Compiler.Memory = 1000 }, `compiler.memory: "1kB" is less than "64MiB", which no module can be compiled in`},
		{func(c *Config) { c.Compiler.Timeout = Duration(time.Millisecond) }, `compiler.timeout: "1ms" is less than a second; a duration is written with its unit, such as "5m"`},
		{func(c *Config) { c.Compiler.Parallelism = -1 }, `compiler.parallelism: -1 is not between 1 and 1024`},
		{func(c *Config) { c.Compiler.Cache = 1000 }, `compiler.cache: "1kB" is less than "64MiB", which one large module takes`},
		{func(c *Config) { c.Handlers["A"] = Handler{Kind: "wasm"} }, `handlers.A: "A" cannot be a handler's name: lower-case letters, digits and '-' (at most 63)`},
		{func(c *Config) { c.Handlers["a"] = Handler{} }, `handlers.a.kind: "" is not one of wasm, delegate, hybrid`},
		{func(c *Config) { c.Upstream.LastKnown = 0 }, `upstream.last_known: "0s" is less than a second; a duration is written with its unit, such as "5m"`},
		{func(c *Config) { c.Handlers["a"] = Handler{Kind: "delegate"} }, `handlers.a.endpoint: is empty: a handler of kind "delegate" hands pods to the runtime there, such as "/run/containerd/containerd.sock"`},
		{func(c *Config) { c.Handlers["a"] = Handler{Kind: "delegate", Endpoint: "unix:///a"} }, `handlers.a.endpoint: "unix:///a" is a URL; write the path alone: "/a"`},
		{func(c *Config) { c.Handlers["a"] = Handler{Kind: "hybrid", Endpoint: c.GRPC.Address} }, `handlers.a.endpoint: is Wazelet's own socket (grpc.address)`},
		{func(c *Config) { c.Handlers["a"] = Handler{Kind: "wasm", Endpoint: "/a"} }, `handlers.a.endpoint: is only for handlers of kind "delegate" and "hybrid"`},
		{func(c *Config) {
			c.Handlers["a"], c.Handlers["b"] = Handler{Kind: "delegate", Endpoint: "/a"}, Handler{Kind: "hybrid", Endpoint: "/b"}
		}, `handlers.b.endpoint: "/b" is not "/a", which another handler names: a node has one upstream runtime`},
		{func(c *Config) { c.Handlers["a"] = Handler{Kind: "delegate", Endpoint: "/a", UpstreamHandler: "runc"} }, `handlers.a.upstream_handler: is only for handlers of kind "hybrid"`},
		{func(c *Config) { c.DefaultHandler = "runc" }, `default_handler: "runc" is not one of the handlers: wasm`},
	} {
		c := Default()
		test.change(&c)
		if err := c.Validate(); err == nil || err.Error() != test.want {
			t.Errorf("finding is\n%v\nwant\n%s", err, test.want)
		}
	}
}

func TestAllFindingsAreGiven(t *testing.T) {
	findings, _ := errors.AsType[Findings](Config{}.Validate())
	judged := map[string]bool{}
	for _, finding := range findings {
		judged[finding.Key] = true
		if finding.Doc == "" {
			t.Errorf("%s: no documentation with the finding", finding.Key)
		}
	}
	optional := map[string]bool{"version": true, "image.hosts_dir": true, "image.pinned": true, "device.cdi_dirs": true, "worker.path": true, "worker.toolbox": true,
		"network.parallelism": true, "metrics.address": true, "tracing.endpoint": true, "tracing.sampling_rate_per_million": true}
	for _, k := range keys() {
		if !k.table && !strings.Contains(k.path, anyName) && !judged[k.path] && !optional[k.path] {
			t.Errorf("%s: the empty value was not found", k.path)
		}
	}
}
