// SPDX-License-Identifier: Apache-2.0

package config

import "time"

// Default is the configuration of a node that has no file. Each call returns a
// value of its own.
func Default() Config {
	return Config{
		Version:        Version,
		Root:           "/var/lib/wazelet",
		State:          "/run/wazelet",
		DefaultHandler: "wasm",
		GRPC:           GRPC{Address: "/run/wazelet/wazelet.sock"},
		Streaming:      Streaming{Address: "127.0.0.1:0"},
		Log:            Log{Level: "info", Format: "text"},
		Cgroup:         Cgroup{Driver: "cgroupfs", Parent: "/wazelet"},
		Network: Network{
			// Upstream's place, then Debian's.
			BinDirs: []string{"/opt/cni/bin", "/usr/lib/cni"},
			ConfDir: "/etc/cni/net.d",
		},
		Image: Image{
			Snapshotter:            "overlay",
			HostsDir:               "/etc/wazelet/hosts.d",
			MaxConcurrentDownloads: 3,
			ProgressTimeout:        Duration(5 * time.Minute),
			Pinned:                 []string{},
			Policy:                 ImagePolicy{Default: "anything"},
		},
		Device: Device{CDIDirs: []string{"/etc/cdi", "/var/run/cdi"}}, // CDI's own
		Worker: Worker{Toolbox: true},
		Compiler: Compiler{
			Memory:      2 << 30,
			Timeout:     Duration(5 * time.Minute),
			Parallelism: 1,
			Cache:       10 << 30,
		},
		Upstream: Upstream{LastKnown: Duration(10 * time.Minute)},
		Handlers: map[string]Handler{"wasm": {Kind: "wasm"}},
	}
}
