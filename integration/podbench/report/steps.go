// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/wazelet/wazelet/integration/podbench/result"
)

// steps are those of a start, in their order (package observe).
var steps = []struct{ name, what string }{
	{"netns", "RunPodSandbox: the network namespace"},
	{"cni", "… CNI's plugins"},
	{"files", "… hosts, hostname, resolv.conf"},
	{"root", "CreateContainer: the root's directory"},
	{"cgroup", "… the cgroup and its limits"},
	{"spawn", "… the worker's process, born in it"},
	{"confine", "… its mounts and rights, up to the module's name"},
	{"module", "… the compiled code's folder, from the cache"},
	{"load", "… loading it, and the last rights"},
	{"gate", "StartContainer: the worker's answer"},
	{"detach", "StopPodSandbox: CNI's plugins"},
}

// accounted are the measurements whose steps are shown.
var accounted = []struct{ label, name string }{
	{"small", "start/small/host"}, {"small, bridge", "start/small/ipv4"}, {"small, with IPv6", "start/small/bridge"}, {"small, flannel", "start/small/flannel"},
	{"Go", "start/go/host"}, {"31 MB", "start/large/host"},
}

// stepTable writes what the first side has accounted for of its starts, by steps. What it
// leaves out of a call is the daemon's own work between them, and gRPC.
func stepTable(w io.Writer, f *result.File) {
	side, heads := f.Sides[0], ""
	var shown []string
	for _, a := range accounted {
		if f.Find(a.name, side.Name, result.StepPrefix+"spawn") != nil {
			heads += " " + a.label + " |"
			shown = append(shown, a.name)
		}
	}
	if len(shown) == 0 {
		return
	}
	fmt.Fprintf(w, "\nBy %s's own account of these starts (`wazelet_step_duration_seconds`), medians in milliseconds:\n\n", side.Version)
	fmt.Fprintf(w, "| step |%s\n|---|%s\n", heads, strings.Repeat("---:|", len(shown)))
	for _, step := range steps {
		line := ""
		for _, name := range shown {
			value := "–"
			if s := f.Find(name, side.Name, result.StepPrefix+step.name); s != nil {
				value = number(s.Stats().Median)
			}
			line += " " + value + " |"
		}
		fmt.Fprintf(w, "| %s |%s\n", step.what, line)
	}
}
