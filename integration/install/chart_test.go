// SPDX-License-Identifier: Apache-2.0

package install_test

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/image"
	"github.com/wazelet/wazelet/integration/lab/parts"
)

const installerImage = "registry.example/installer"

// chart is the Helm chart, with values for the laboratory's node.
func (n *node) chart(verb string, more ...string) []string {
	repo, err := parts.Repo()
	n.must(err)
	args := []string{verb, "wazelet", filepath.Join(repo, "packaging", "helm", "wazelet"), "--namespace", "wazelet",
		"--set", "image.repository=" + installerImage, "--set", "image.tag=test", "--set-file", "config=" + filepath.Join(n.Dir(), "wazelet.toml")}
	return append(args, more...)
}

// TestChart has a real helm put Wazelet on the node and take it off: the installer is a
// pod of the very runtime that it puts Wazelet before.
func TestChart(t *testing.T) {
	n := newNode(t)
	n.must(lab.PrepareHelm(n.ctx, os.Stderr))
	n.serveAPI()
	repo, err := parts.Repo()
	n.must(err)
	files, err := image.Installer(filepath.Join(repo, "bin"))
	n.must(err)
	_, err = n.PushFiles(n.ctx, installerImage+":test", image.InstallerConfig(""), files...)
	n.must(err)
	n.must(n.mkdir("/etc/wazelet"))
	before, left := n.state(), n.files(touched...)

	// A release that did not let itself be uninstalled cannot be upgraded, so the time for
	// that is given now.
	n.must(second(n.Helm(n.ctx, n.chart("install", "--create-namespace", "--set", "uninstall.timeout=60s")...)))
	n.must(second(n.Kubectl(n.ctx, "rollout", "status", "daemonset/wazelet-installer", "--namespace", "wazelet", "--timeout=3m")))
	n.waitRuntime("wazelet")
	if label := n.label(); label != "true" {
		t.Errorf("the node's label is %q", label)
	}
	n.stillThere("installed", before)
	n.policy()
	n.mixed()

	// Pods that only Wazelet can run keep it on its node.
	n.must(n.Delete(n.ctx, "default", "pod/native"))
	if out, err := n.Helm(n.ctx, "uninstall", "wazelet", "--namespace", "wazelet", "--timeout=2m"); err == nil {
		t.Errorf("uninstalled under a pod: %s", out.Stdout)
	}
	n.stillThere("not uninstalled", before)
	n.must(n.Delete(n.ctx, "default", "pod/wasm"))
	n.must(second(n.Helm(n.ctx, "uninstall", "wazelet", "--namespace", "wazelet", "--timeout=4m")))
	n.waitRuntime("containerd")
	n.stillThere("uninstalled", before)
	if label := n.label(); label != "" {
		t.Errorf("the node's label is %q", label)
	}
	if now := n.files(touched...); !maps.Equal(now, left) {
		t.Errorf("left behind: %v", names(now, left))
	}
}

// serveAPI makes the API server reachable under its Service's address, as a kube-proxy
// would.
func (n *node) serveAPI() {
	n.t.Helper()
	for _, chain := range []string{"OUTPUT", "PREROUTING"} {
		n.must(second(n.Command(n.ctx, "iptables", "-t", "nat", "-A", chain, "-d", "10.96.0.1", "-p", "tcp", "--dport", "443",
			"-j", "DNAT", "--to-destination", n.NodeIP()+":6443")))
	}
}

func (n *node) label() string {
	n.t.Helper()
	out, err := n.Kubectl(n.ctx, "get", "node", n.Node(), "-o", `jsonpath={.metadata.labels.wazelet\.dev/installed}`)
	n.must(err)
	return out.Stdout
}

// stillThere is unchanged, beside the pods of the chart.
func (n *node) stillThere(what string, before state) {
	n.t.Helper()
	now := n.state()
	for id, pid := range before.processes {
		if now.processes[id] != pid {
			n.t.Errorf("%s: %s has pid %d, had %d", what, id, now.processes[id], pid)
		}
	}
	for name, pod := range before.pods {
		if now.pods[name] != pod {
			n.t.Errorf("%s: pod %s is\n%s, was\n%s", what, name, now.pods[name], pod)
		}
	}
}

// policy does with the installer's ServiceAccount what it may and what it must not. A
// token names its pod's node, as the impersonated user does here.
func (n *node) policy() {
	n.t.Helper()
	const account, named = "system:serviceaccount:wazelet:wazelet-installer", "authentication.kubernetes.io/node-name="
	// kubectl looks at what it patches, which the installer need not.
	n.must(n.Apply(n.ctx, `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: look}
rules: [{apiGroups: [""], resources: [nodes], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: look}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: look}
subjects: [{kind: ServiceAccount, name: wazelet-installer, namespace: wazelet}]
`))
	for _, test := range []struct{ extra, patch, refusal string }{
		{named + n.Node(), `{"metadata":{"labels":{"wazelet.dev/installed":"true","other":null}}}`, ""},
		{named + "another", `{"metadata":{"labels":{"wazelet.dev/installed":"false"}}}`, "the node it runs on only"},
		{named + n.Node(), `{"spec":{"unschedulable":true}}`, "may change labels only"},
		{named + n.Node(), `{"metadata":{"annotations":{"a":"b"}}}`, "may change labels only"},
		{named + n.Node(), `{"metadata":{"labels":{"other":"x"}}}`, "the label wazelet.dev/installed only"},
		{named + n.Node(), `{"metadata":{"labels":{"kubernetes.io/os":null}}}`, "the label wazelet.dev/installed only"},
	} {
		_, err := n.Kubectl(n.ctx, "patch", "node", n.Node(), "--as", account, "--as-user-extra", test.extra, "--type=merge", "-p", test.patch)
		if test.refusal == "" && err != nil || test.refusal != "" && (err == nil || !strings.Contains(err.Error(), test.refusal)) {
			n.t.Errorf("%s patches %s: %v", test.extra, test.patch, err)
		}
	}
}

// TestChartRenders has helm check the chart as it is shipped, with nothing set and with
// everything.
func TestChartRenders(t *testing.T) {
	ctx := t.Context()
	if err := lab.PrepareHelm(ctx, os.Stderr); err != nil {
		t.Fatal(err)
	}
	repo, err := parts.Repo()
	if err != nil {
		t.Fatal(err)
	}
	helm, chart := filepath.Join(parts.Cache(repo), "bin", "helm"), filepath.Join(repo, "packaging", "helm", "wazelet")
	for name, set := range map[string][]string{
		"defaults": nil,
		"all": {"--set", "config=version = 1", "--set", "install.endpoint=unix:///run/crio/crio.sock", "--set", "install.binDir=/opt/w",
			"--set", "uninstall.force=true", "--set", "imagePullSecrets[0].name=s", "--set", "tolerations[0].operator=Exists"},
	} {
		var output bytes.Buffer
		cmd := exec.CommandContext(ctx, helm, append([]string{"lint", "--strict", chart}, set...)...)
		cmd.Stdout, cmd.Stderr = &output, &output
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		if err := cmd.Run(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, output.String())
		}
	}
}
