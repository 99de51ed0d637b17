// SPDX-License-Identifier: Apache-2.0

// Package doctor examines a node: whether its kernel, cgroups, network,
// directories and kubelet are as Wazelet's configuration needs them, and for
// each thing that is not, how to mend it.
//
// Examining changes nothing. A check asks the kernel by using the feature
// where that leaves no trace, because version numbers lie on patched kernels.
package doctor

import (
	"context"
	"fmt"
	"slices"

	"github.com/wazelet/wazelet/config"
)

// Status is how bad a finding is.
type Status string

// How bad a finding can be.
const (
	OK   Status = "ok"   // as it should be
	Warn Status = "warn" // works, but not all of it or not for long
	Fail Status = "fail" // pods will not run
)

// Finding is what one check has to say.
type Finding struct {
	Check  string `json:"check"`          // what was examined, e.g. "cgroup"
	Status Status `json:"status"`         //
	What   string `json:"what"`           // what was found
	Mend   string `json:"mend,omitempty"` // what to do about it; empty when all is well
}

// Options say what the node should be fit for.
type Options struct {
	Config     config.Config
	Version    string // of this wazelet
	WorkerPath string // the wazelet-worker program that the daemon would use

	ConfigPath    string // path of the file that Config is from, or would be
	KubeletConfig string // path of the kubelet's configuration file
	CrictlConfig  string // path of crictl's configuration file
}

// Default places of the files of other programs.
const (
	DefaultKubeletConfig = "/var/lib/kubelet/config.yaml"
	DefaultCrictlConfig  = "/etc/crictl.yaml"
)

// checks are all examinations, in the order of the report: what the machine
// is, what it was given, what runs on it.
var checks = []struct {
	name string
	run  func(context.Context, Options) []Finding
}{
	{"privilege", checkPrivilege},
	{"kernel", checkKernel},
	{"namespaces", checkNamespaces},
	{"user-namespaces", checkUserNamespaces},
	{"pidfd", checkPidfd},
	{"mounts", checkMounts},
	{"seccomp", checkSeccomp},
	{"landlock", checkLandlock},
	{"executable-memory", checkExecutableMemory},
	{"cgroup", checkCgroup},
	{"open-files", checkOpenFiles},
	{"clock", checkClock},
	{"root", checkRoot},
	{"state", checkState},
	{"cni-config", checkCNIConfig},
	{"cni-plugins", checkCNIPlugins},
	{"ip-forward", checkForwarding},
	{"bridge-netfilter", checkBridgeNetfilter},
	{"worker", checkWorker},
	{"socket", checkSocket},
	{"kubelet", checkKubelet},
	{"crictl", checkCrictl},
}

// Examine runs every check and gives the findings in their order.
func Examine(ctx context.Context, o Options) []Finding {
	var all []Finding
	for _, check := range checks {
		for _, finding := range check.run(ctx, o) {
			finding.Check = check.name
			all = append(all, finding)
		}
	}
	return all
}

// Failed reports whether a finding keeps pods from running.
func Failed(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Status == Fail })
}

// ok is a finding of something that is as it should be.
func ok(format string, args ...any) []Finding {
	return []Finding{{Status: OK, What: fmt.Sprintf(format, args...)}}
}

// warn and fail are findings with what to do about them.
func warn(what, mend string) []Finding { return []Finding{{Status: Warn, What: what, Mend: mend}} }
func fail(what, mend string) []Finding { return []Finding{{Status: Fail, What: what, Mend: mend}} }
