// SPDX-License-Identifier: Apache-2.0

// Package drive is the client of the pod benchmark: it speaks CRI to each side in
// turn, as a kubelet would, and takes the times. It runs in the laboratory's
// network, so that it reaches pods as their node does.
package drive

import "time"

// Plan says what is measured, on which sides.
type Plan struct {
	Sides []Side
	// Networks is the folder of the sides' CNI configurations.
	Networks string
	// Only are the prefixes of the measurements to do; none means all.
	Only []string
	// Starts is how many pods are started one after the other, on each side, for
	// each workload; SlowStarts for those that take long.
	Starts, SlowStarts int
	// Batch is how many pods four clients start together, Batches how often.
	Batch, Batches int
	// Pods is how many pods stand together for memory; Listed how many for the
	// RPCs that list them, on the first side.
	Pods, Listed int
	// Load is how long requests are counted each time, Rounds how often.
	Load   time.Duration
	Rounds int
}

// Side is a runtime.
type Side struct {
	Name string
	// Version is what the report calls it; "" is what its CRI says.
	Version string
	Socket  string // of its CRI
	// Handler is the RuntimeClass handler of its pods.
	Handler string
	// Metrics is where its daemon serves Wazelet's; "" is nowhere.
	Metrics string
	// PID is its daemon's.
	PID int
	// CgroupParent is where its pods' cgroups go.
	CgroupParent string
	// Logs is the folder of its pods' logs.
	Logs string
	// Annotations of its containers.
	Annotations map[string]string
	// Images by workload: small, go, large, job.
	Images map[string]string
	// Shim is what the command lines of processes begin with that it has beside
	// those in the pods' cgroups, and ShimArg what they have among their arguments.
	Shim, ShimArg string
}

// wants tells whether a measurement is to be done.
func (p *Plan) wants(name string) bool {
	if len(p.Only) == 0 {
		return true
	}
	for _, only := range p.Only {
		if len(name) >= len(only) && name[:len(only)] == only {
			return true
		}
	}
	return false
}
