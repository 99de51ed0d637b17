// SPDX-License-Identifier: Apache-2.0

// Package packaging holds the files that are installed beside the programs, for
// those who copy them by hand and for `wazelet install`.
package packaging

import _ "embed" // the files below

var (
	// Unit is the daemon's systemd unit. Its ExecStart is ServeCommand.
	//go:embed systemd/wazelet.service
	Unit string

	// KubeletUnit is the drop-in for the kubelet's systemd unit: it starts after the
	// daemon, and does not end with it.
	//go:embed kubelet/10-wazelet-unit.conf
	KubeletUnit string

	// KubeletConfig is the drop-in for the kubelet's configuration. It names
	// Endpoint.
	//go:embed kubelet/10-wazelet.conf
	KubeletConfig string

	// Crictl is crictl's configuration. It names Endpoint.
	//go:embed crictl.yaml
	Crictl string
)

// What the files name, where another place is to be put in.
const (
	ServeCommand = "/usr/local/bin/wazelet serve"
	Endpoint     = "unix:///run/wazelet/wazelet.sock"
)
