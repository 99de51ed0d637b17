// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/wazelet/wazelet/integration/podbench/result"
)

// Names of what is measured through a kubelet.
const (
	kubeletPrefix = "kubelet/"
	kubeletPod    = "kubelet/pod"
	kubeletDelete = "kubelet/delete"
	kubeletRamp   = "kubelet/ramp/"
)

// ramp is a crowd of pods made at once, on one side.
type ramp struct {
	name, side string
	count      int
	quick      bool
}

// ramps are those of the file, the smaller ones first as they were measured.
func ramps(f *result.File) (all []ramp) {
	for _, s := range f.Series {
		rest, found := strings.CutPrefix(s.Name, kubeletRamp)
		if !found || s.Phase != "all Ready" {
			continue
		}
		number, how, _ := strings.Cut(rest, "/")
		count, err := strconv.Atoi(number)
		if err != nil {
			continue // not one of ours
		}
		all = append(all, ramp{name: s.Name, side: s.Side, count: count, quick: how != ""})
	}
	return all
}

// title is what the ramp is.
func (r ramp) title() string {
	if r.quick {
		return fmt.Sprintf("%d pods, kubelet unlimited", r.count)
	}
	return fmt.Sprintf("%d pods", r.count)
}

// heading is that with the side.
func (r ramp) heading(f *result.File) string {
	for _, side := range f.Sides {
		if side.Name == r.side {
			name, _, _ := strings.Cut(side.Version, " ")
			return r.title() + ", " + name
		}
	}
	return r.title()
}

// kubeletRows are those of the table.
func kubeletRows(f *result.File) []row {
	all := []row{
		{what: "create → Ready, one pod", name: kubeletPod},
		{what: "… until it has a node", name: kubeletPod, phase: "scheduled"},
		{what: "… the kubelet, before and between the runtime's calls", name: kubeletPod, phase: "kubelet before"},
		{what: "… the runtime's calls", name: kubeletPod, phase: "runtime"},
		{what: "… from the container's start until Ready is seen", name: kubeletPod, phase: "kubelet after"},
		{what: "delete → gone, one pod", name: kubeletDelete},
		{what: "… the runtime's calls", name: kubeletDelete, phase: "runtime"},
	}
	seen := map[string]bool{}
	for _, r := range ramps(f) {
		if seen[r.name] {
			continue
		}
		seen[r.name] = true
		all = append(all, r.rows()...)
	}
	return all
}

// idleBound is what the daemon is to use at most, in percent of a core, with so many
// idle pods.
const (
	idleBound = 1
	idlePods  = 500
)

func (r ramp) rows() []row {
	idle := row{what: "… idle: the runtime's daemon", phase: "idle: daemon"}
	if r.count >= idlePods {
		idle.bound = idleBound
	}
	all := []row{
		{what: "… half of them", phase: "half Ready"},
		{what: "… the pods that are in a call of the runtime, on average", phase: "pods in a call"},
		{what: "… RunPodSandbox, mean", phase: "RunPodSandbox"},
		{what: "… CreateContainer, mean", phase: "CreateContainer"},
		{what: "… StartContainer, mean", phase: "StartContainer"},
		{what: "… deleted → gone, all of them", phase: "all gone"},
		{what: "… memory: PSS per pod", phase: "PSS"},
		{what: "… memory: growth of the daemon per pod", phase: "daemon growth"},
		{what: "… memory: less MemAvailable per pod, control plane and kubelet included", phase: "MemAvailable"},
		idle,
		{what: "… idle: the kubelet", phase: "idle: kubelet"},
	}
	all = append([]row{{what: r.title() + " at once: create → all Ready", phase: "all Ready"}}, all...)
	for i := range all {
		all[i].name = r.name
	}
	return all
}

// parties use the processors, in the order they are shown in.
var parties = []string{
	"API server", "etcd", "scheduler", "controllers", "kubelet", "daemon", "CNI plugins", "pods", "this client", "all else",
}

// kubeletTables show who used the processors, and what is asked of idle pods.
func kubeletTables(w io.Writer, f *result.File) {
	all := ramps(f)
	if len(all) == 0 {
		return
	}
	fmt.Fprint(w, "\nProcessor time per pod while the pods start, in ms:\n\n")
	matrix(w, f, all, parties, "processor: ")
	fmt.Fprint(w, "\nProcessors in use meanwhile, of 100 % per core:\n\n")
	matrix(w, f, all, []string{"processors busy"}, "")
	var idle []ramp
	for _, r := range all {
		if f.Find(r.name, r.side, "idle: daemon") != nil {
			idle = append(idle, r)
		}
	}
	if len(idle) == 0 {
		return
	}
	fmt.Fprint(w, "\nIdle pods: processor time in % of a core, and calls per second as the runtime counts them:\n\n")
	matrix(w, f, idle, parties, "idle: ")
	fmt.Fprintln(w)
	matrix(w, f, idle, calls(f), "calls: ")
}

// calls are those that the kubelet made, by name.
func calls(f *result.File) (names []string) {
	seen := map[string]bool{}
	for _, s := range f.Series {
		if name, found := strings.CutPrefix(s.Phase, "calls: "); found && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// matrix writes a table with a column for each ramp, and a line for each phase.
func matrix(w io.Writer, f *result.File, columns []ramp, lines []string, prefix string) {
	fmt.Fprint(w, "| |")
	for _, r := range columns {
		fmt.Fprintf(w, " %s |", r.heading(f))
	}
	fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("---:|", len(columns)))
	for _, line := range lines {
		fmt.Fprintf(w, "| %s |", line)
		for _, r := range columns {
			s := f.Find(r.name, r.side, prefix+line)
			if s == nil {
				fmt.Fprint(w, " – |")
				continue
			}
			fmt.Fprintf(w, " %s |", number(s.Stats().Median))
		}
		fmt.Fprintln(w)
	}
}
