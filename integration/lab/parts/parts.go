// SPDX-License-Identifier: Apache-2.0

// Package parts builds the unmodified programs the laboratory runs from their
// published Go modules: the Kubernetes control plane and kubelet, etcd, the
// registry, the CNI plugins and the CRI tools; and, for those who ask, containerd
// and runc.
//
// Each program belongs to a nested module under modules/, whose committed
// go.mod and go.sum pin every byte of it. A build is skipped when neither those
// files, nor the flags, nor the Go release changed since the last one.
package parts

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Part is one program built from a nested module.
type Part struct {
	// Name is the path of the program below the folder of binaries.
	Name string
	// Module is the folder below integration/lab/modules.
	Module string
	// Package is the import path of the main package, or of the test package
	// when Test is set.
	Package string
	// LDFlags are the linker's flags.
	LDFlags string
	// Test says that the program is a test binary (go test -c).
	Test bool
	// Tags are build tags, separated by commas.
	Tags string
	// Cgo says that parts of the program are in C, as few are. It is static all
	// the same.
	Cgo bool
	// Source is set instead of Module and Package where the program is one file in
	// C: its path below integration/lab.
	Source string
}

// InC tells whether building the part takes a compiler of C.
func (p Part) InC() bool { return p.Cgo || p.Source != "" }

// kubernetesVersion must equal the version in the go.mod of modules/kubernetes and
// modules/kubeproxy.
const kubernetesVersion = "v1.37.2"

// containerdVersion must equal the version in modules/containerd/go.mod.
const containerdVersion = "v2.4.2"

// helmVersion must equal the version in modules/helm/go.mod.
const helmVersion = "v3.22.0"

// lintVersion must equal the version in modules/golangcilint/go.mod.
const lintVersion = "2.15.0"

// stripped leaves out the symbol and debug tables: nobody debugs these programs.
const stripped = "-s -w"

// kubernetesFlags stamps the release into the Kubernetes programs: without it
// the kubelet reports v0.0.0 and the API server refuses skewed clients.
var kubernetesFlags = strings.Join([]string{
	stripped,
	"-X k8s.io/component-base/version.gitVersion=" + kubernetesVersion,
	"-X k8s.io/component-base/version.gitMajor=1",
	"-X k8s.io/component-base/version.gitMinor=37",
	"-X k8s.io/component-base/version.gitTreeState=clean",
	"-X k8s.io/client-go/pkg/version.gitVersion=" + kubernetesVersion,
}, " ")

// Laboratory returns the parts a laboratory needs, slowest first: the later
// ones find most of their packages in the build cache.
func Laboratory() []Part {
	ps := []Part{
		kubernetes("kubelet"),
		kubernetes("kube-apiserver"),
		kubernetes("kube-controller-manager"),
		kubernetes("kube-scheduler"),
		kubernetes("kubectl"),
		{Name: "etcd", Module: "etcd", Package: "go.etcd.io/etcd/server/v3"},
		{Name: "registry", Module: "distribution", Package: "github.com/distribution/distribution/v3/cmd/registry"},
		{Name: "crictl", Module: "critools", Package: "sigs.k8s.io/cri-tools/cmd/crictl"},
		{Name: "metrics-server", Module: "metricsserver", Package: "sigs.k8s.io/metrics-server/cmd/metrics-server"},
		{Name: "critest", Module: "critools", Package: "sigs.k8s.io/cri-tools/cmd/critest", Test: true},
		// critest runs its specs in several processes by it.
		{Name: "ginkgo", Module: "critools", Package: "github.com/onsi/ginkgo/v2/ginkgo"},
	}
	for _, p := range []string{"main/bridge", "main/loopback", "ipam/host-local", "meta/portmap"} {
		ps = append(ps, Part{
			Name:    "cni/" + filepath.Base(p),
			Module:  "cniplugins",
			Package: "github.com/containernetworking/plugins/plugins/" + p,
		})
	}
	for i := range ps {
		if ps[i].LDFlags == "" {
			ps[i].LDFlags = stripped
		}
	}
	return ps
}

// Containerd returns what a containerd needs beside a laboratory's own parts: the
// daemon, its shim, its command line, runc and a pause program. Only those who run
// one build them.
func Containerd() []Part {
	const commands = "github.com/containerd/containerd/v2/cmd/"
	version := stripped + " -X github.com/containerd/containerd/v2/version.Version=" + containerdVersion
	return []Part{
		// Without the snapshotters that nobody uses here.
		{Name: "containerd", Module: "containerd", Package: commands + "containerd", LDFlags: version, Tags: "no_btrfs,no_devmapper,no_zfs"},
		{Name: "containerd-shim-runc-v2", Module: "containerd", Package: commands + "containerd-shim-runc-v2", LDFlags: version},
		{Name: "ctr", Module: "containerd", Package: commands + "ctr", LDFlags: version},
		{
			Name: "runc", Module: "runc", Package: "github.com/opencontainers/runc", Cgo: true,
			LDFlags: stripped, Tags: "seccomp,urfave_cli_no_docs,netgo,osusergo",
		},
		{Name: "pause", Source: "pause/pause.c"},
	}
}

// Services returns what makes Services and the cluster's DNS work, in containers of
// the cluster itself: kube-proxy and CoreDNS. Only those who have containers build them.
func Services() []Part {
	proxy := kubernetes("kube-proxy")
	proxy.Module = "kubeproxy"
	return []Part{proxy, {
		Name:    "coredns",
		Module:  "coredns",
		Package: "github.com/wazelet/wazelet/integration/lab/modules/coredns",
		LDFlags: stripped,
	}}
}

// Helm returns helm, which only the test of the chart needs.
func Helm() []Part {
	return []Part{{
		Name: "helm", Module: "helm", Package: "helm.sh/helm/v3/cmd/helm",
		LDFlags: stripped + " -X helm.sh/helm/v3/internal/version.version=" + helmVersion,
	}}
}

// Lint returns the linter runner, which only make lint needs.
func Lint() []Part {
	return []Part{{
		Name:    "golangci-lint",
		Module:  "golangcilint",
		Package: "github.com/golangci/golangci-lint/v2/cmd/golangci-lint",
		// The runner prints this version, and refuses a configuration of another major.
		LDFlags: stripped + " -X main.version=" + lintVersion,
	}}
}

func kubernetes(name string) Part {
	return Part{
		Name:    name,
		Module:  "kubernetes",
		Package: "k8s.io/kubernetes/cmd/" + name,
		LDFlags: kubernetesFlags,
	}
}

// Select returns the named parts of ps in their own order, or all of them when
// no name is given. An unknown name is an error.
func Select(ps []Part, names ...string) ([]Part, error) {
	if len(names) == 0 {
		return ps, nil
	}
	var out []Part
	for _, p := range ps {
		if i := slices.Index(names, p.Name); i >= 0 {
			out = append(out, p)
			names = slices.Delete(slices.Clone(names), i, i+1)
		}
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("no part is named %s", strings.Join(names, ", "))
	}
	return out, nil
}

// Repo returns the root of the repository that holds the working directory.
func Repo() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.Contains("\n"+string(b), "\nmodule github.com/wazelet/wazelet\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s: not inside the repository of Wazelet", wd)
		}
	}
}

// Cache returns the laboratory's cache folder: $WAZELET_LAB_CACHE, or .cache/lab
// in the repository. It holds bin/ with the parts and guests/ with the Wasm
// programs of the tests.
func Cache(repo string) string {
	if dir := os.Getenv("WAZELET_LAB_CACHE"); dir != "" {
		return dir
	}
	return filepath.Join(repo, ".cache", "lab")
}
