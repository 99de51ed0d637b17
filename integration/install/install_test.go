// SPDX-License-Identifier: Apache-2.0

package install_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/lab"
)

// touched are the folders of the node where an installation may write.
var touched = []string{lab.UnitDir, "/etc/wazelet", "/opt/wazelet"}

// TestInstallAndUninstall puts Wazelet on a live node and takes it off again. Every
// container keeps its process, and every pod its containers.
func TestInstallAndUninstall(t *testing.T) {
	n := newNode(t)
	config := filepath.Join(n.Dir(), "wazelet.toml")
	crictl := "# the node's own\nruntime-endpoint: \"unix://" + n.ContainerdSocket() + "\"\ndebug: false\n"
	n.must(n.write("/etc/crictl.yaml", crictl))
	n.must(n.mkdir("/etc/wazelet"))
	files := n.files(touched...)
	before := n.state()
	kubelet := n.mainPID("kubelet.service")

	// Looking changes nothing.
	out, err := n.wazelet("install", "--config-from", config, "--dry-run")
	n.must(err)
	if !strings.Contains(out.Stdout, "would write /opt/wazelet/bin/wazelet") {
		t.Error("programs do not go where they can be written")
	}
	n.asBefore("a dry run", files, kubelet)

	n.must(second(n.wazelet("install", "--config-from", config)))
	n.waitRuntime("wazelet")
	n.unchanged("installed", before)
	if n.mainPID("kubelet.service") == kubelet {
		t.Error("the kubelet was not restarted")
	}
	if got, err := n.HostFile(n.ctx, "/etc/crictl.yaml"); err != nil || !strings.Contains(got, "runtime-endpoint: unix://"+n.Socket()) || !strings.Contains(got, "debug: false") {
		t.Errorf("crictl's configuration is %s, %v", got, err)
	}
	n.runtimeClass()
	n.mixed()

	// Once more: nothing to do, and nothing is done.
	kubelet, daemon := n.mainPID("kubelet.service"), n.mainPID("wazelet.service")
	n.must(second(n.wazelet("install")))
	if n.mainPID("kubelet.service") != kubelet || n.mainPID("wazelet.service") != daemon {
		t.Error("installing what is installed restarted something")
	}
	n.stillThere("installed again", before)

	// Pods that only Wazelet can run are not left behind.
	if out, err := n.wazelet("uninstall"); err == nil || !strings.Contains(out.Stderr, "default/wasm") {
		t.Errorf("uninstalled under a pod: %v", err)
	}
	n.must(n.Delete(n.ctx, "default", "pod/native"))
	n.must(second(n.wazelet("uninstall", "--force")))
	n.waitRuntime("containerd")
	n.unchanged("uninstalled", before)
	n.asBefore("uninstalled", files, "")
	if got, err := n.HostFile(n.ctx, "/etc/crictl.yaml"); err != nil || got != crictl {
		t.Errorf("crictl's configuration is %s, %v", got, err)
	}
	if pid := n.mainPID("wazelet.service"); pid != "0" && pid != "" {
		t.Errorf("wazelet runs with pid %s", pid)
	}
	out, err = n.wazelet("uninstall")
	n.must(err)
	if !strings.Contains(out.Stdout, "nothing is installed here") {
		t.Errorf("uninstall without an installation says %s", out.Stdout)
	}
}

// TestFailedInstallIsTakenBack fails at each of the two steps that may: the daemon does
// not start, the kubelet does not take its new runtime.
func TestFailedInstallIsTakenBack(t *testing.T) {
	n := newNode(t)
	config := filepath.Join(n.Dir(), "wazelet.toml")
	files := n.files(touched...)
	before, kubelet := n.state(), n.mainPID("kubelet.service")

	content, err := os.ReadFile(config)
	n.must(err)
	broken := filepath.Join(n.Dir(), "broken.toml")
	n.must(os.WriteFile(broken, []byte(strings.Replace(string(content), "state = \"", "state = \"/proc/nowhere", 1)), 0o600))
	if out, err := n.wazelet("install", "--config-from", broken); err == nil || !strings.Contains(out.Stdout, "the node is as it was before") {
		t.Errorf("a daemon that does not start: %v", err)
	}
	if now := n.files(touched...); !maps.Equal(now, files) {
		t.Errorf("left behind: %v", names(now, files))
	}
	if n.mainPID("kubelet.service") != kubelet {
		t.Error("the kubelet was restarted for a daemon that did not start")
	}

	// A folder that the kubelet does not read.
	n.must(n.mkdir("/etc/not-read"))
	if out, err := n.wazelet("install", "--config-from", config, "--kubelet-config-dir", "/etc/not-read", "--timeout", "20s"); err == nil ||
		!strings.Contains(out.Stderr, "the kubelet uses "+n.ContainerdSocket()) || !strings.Contains(out.Stdout, "the node is as it was before") {
		t.Errorf("a kubelet that does not listen: %v", err)
	}
	if now := n.files(touched...); !maps.Equal(now, files) {
		t.Errorf("left behind: %v", names(now, files))
	}
	n.waitRuntime("containerd")
	n.unchanged("taken back", before)
}

// TestInstallByConfigDir tells a kubelet that has a directory for that.
func TestInstallByConfigDir(t *testing.T) {
	n := newNode(t)
	const dir = "/etc/kubernetes/kubelet.conf.d"
	n.must(n.mkdir(dir))
	flags, err := n.HostFile(n.ctx, "/var/lib/kubelet/kubeadm-flags.env")
	n.must(err)
	flags = strings.Replace(flags, "--container-runtime-endpoint=unix://"+n.ContainerdSocket(), "--config-dir="+dir, 1)
	n.must(n.write("/var/lib/kubelet/kubeadm-flags.env", flags))
	n.must(second(n.Systemctl(n.ctx, "restart", "kubelet.service")))
	n.must(n.Wait(n.ctx, "--for=condition=Ready", "node/"+n.Node()))
	before := n.state()

	n.must(second(n.wazelet("install", "--config-from", filepath.Join(n.Dir(), "wazelet.toml"))))
	n.waitRuntime("wazelet")
	n.unchanged("installed", before)
	if got, err := n.HostFile(n.ctx, dir+"/99-wazelet.conf"); err != nil || !strings.Contains(got, "unix://"+n.Socket()) {
		t.Errorf("the drop-in is %s, %v", got, err)
	}
	if unit, err := n.HostFile(n.ctx, lab.UnitDir+"/kubelet.service.d/99-wazelet.conf"); err != nil || strings.Contains(unit, "ExecStart") {
		t.Errorf("the unit's drop-in is %s, %v", unit, err)
	}
	n.must(second(n.wazelet("uninstall")))
	n.waitRuntime("containerd")
	n.unchanged("uninstalled", before)
	if left := n.files(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// runtimeClass makes the RuntimeClass wasm.
func (n *node) runtimeClass() {
	n.t.Helper()
	n.must(n.Apply(n.ctx, "{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: wasm}, handler: wasm}"))
}

// mixed runs one pod of each runtime.
func (n *node) mixed() {
	n.t.Helper()
	n.must(n.Apply(n.ctx, `
apiVersion: v1
kind: Pod
metadata: {name: wasm}
spec:
  runtimeClassName: wasm
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: 'registry.example/web:1.0', ports: [{containerPort: 8080}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: native}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: 'registry.example/native:1', imagePullPolicy: Never}]
`))
	n.must(n.Wait(n.ctx, "--for=condition=Ready", "pod/wasm", "pod/native"))
}

// asBefore holds the node's files against those before, and the kubelet's process.
func (n *node) asBefore(what string, files map[string]string, kubelet string) {
	n.t.Helper()
	if now := n.files(touched...); !maps.Equal(now, files) {
		n.t.Errorf("%s: the node's files are not as before: %v", what, names(now, files))
	}
	if kubelet != "" && n.mainPID("kubelet.service") != kubelet {
		n.t.Errorf("%s: the kubelet was restarted", what)
	}
}

// names are the files that differ.
func names(now, before map[string]string) []string {
	var differ []string
	for path, content := range now {
		if before[path] != content {
			differ = append(differ, path)
		}
	}
	for path := range before {
		if _, is := now[path]; !is {
			differ = append(differ, path+" (gone)")
		}
	}
	return differ
}

func (n *node) write(path, content string) error {
	_, err := n.CommandInput(n.ctx, strings.NewReader(content), "tee", path)
	return err
}

func (n *node) mkdir(path string) error {
	_, err := n.Command(n.ctx, "mkdir", "-p", path)
	return err
}

func second[T any](_ T, err error) error { return err }
