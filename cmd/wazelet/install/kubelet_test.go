// SPDX-License-Identifier: Apache-2.0

package install

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree makes a node's file system of files by their paths.
func tree(t *testing.T, files map[string]string) Host {
	t.Helper()
	root := t.TempDir()
	for path, content := range files {
		at := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Host(root)
}

// read is a file of the node's, or why it cannot be read.
func read(h Host, path string) string {
	content, err := h.Read(path)
	if err != nil {
		return err.Error()
	}
	return string(content)
}

// TestTheKubeletsOrder reads what the kubelet is told as it does: the configuration,
// the drop-ins by name, the command line.
func TestTheKubeletsOrder(t *testing.T) {
	const header = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
	h := tree(t, map[string]string{
		"/var/lib/kubelet/config.yaml":  header + "containerRuntimeEndpoint: unix:///file\ncgroupDriver: systemd\nhealthzPort: 10300\n",
		"/etc/kubelet.d/10-first.conf":  header + "containerRuntimeEndpoint: unix:///first\nhealthzBindAddress: 0.0.0.0\n",
		"/etc/kubelet.d/20/second.conf": header + "containerRuntimeEndpoint: /second\n",
		"/etc/kubelet.d/30-not.yaml":    header + "containerRuntimeEndpoint: unix:///not-read\n",
	})
	file := []string{"kubelet", "--config=/var/lib/kubelet/config.yaml"}
	dir := append(slices.Clone(file), "--config-dir", "/etc/kubelet.d")
	for name, test := range map[string]struct {
		args              []string
		endpoint, healthz string
	}{
		"nothing":       {[]string{"kubelet"}, "", "http://127.0.0.1:10248/healthz"},
		"file":          {file, "/file", "http://127.0.0.1:10300/healthz"},
		"drop-ins":      {dir, "/second", "http://127.0.0.1:10300/healthz"},
		"flag":          {append(slices.Clone(dir), "--container-runtime-endpoint=unix:///flag"), "/flag", "http://127.0.0.1:10300/healthz"},
		"flag twice":    {append(slices.Clone(dir), "--container_runtime_endpoint", "unix:///a", "--container-runtime-endpoint=/b", "--healthz-port=0"), "/b", ""},
		"absent dir":    {append(slices.Clone(file), "--config-dir=/etc/absent"), "/file", "http://127.0.0.1:10300/healthz"},
		"bool and flag": {append(slices.Clone(file), "--fail-swap-on", "--container-runtime-endpoint", "/flag"), "/flag", "http://127.0.0.1:10300/healthz"},
	} {
		k, err := readKubelet(h, test.args)
		if err != nil || k.Endpoint() != test.endpoint || k.Healthz() != test.healthz {
			t.Errorf("%s: endpoint %q, healthz %q, %v", name, k.Endpoint(), k.Healthz(), err)
		}
	}
	k, err := readKubelet(h, dir)
	want := []string{"/var/lib/kubelet/config.yaml", "/etc/kubelet.d/10-first.conf", "/etc/kubelet.d/20/second.conf"}
	if err != nil || !slices.Equal(k.SetBy, want) || k.CgroupDriver() != "systemd" {
		t.Errorf("set by %v, driver %s, %v", k.SetBy, k.CgroupDriver(), err)
	}
	if _, err := readKubelet(h, []string{"--config=/absent.yaml"}); err == nil {
		t.Error("a kubelet whose configuration is absent was read")
	}
}

// kubeadm is a kubelet's unit as kubeadm's packages have it.
func kubeadm() []unitFile {
	return []unitFile{
		{"/lib/systemd/system/kubelet.service", []byte("[Service]\nExecStart=/usr/bin/kubelet\nRestart=always\n")},
		{"/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf", []byte("[Service]\n" +
			"EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\nExecStart=\n" +
			"ExecStart=/usr/bin/kubelet $KUBELET_CONFIG_ARGS \\\n  $KUBELET_KUBEADM_ARGS\n")},
	}
}

// TestTheDropInAddsFlagsToTheCommand reads what it writes as systemd would.
func TestTheDropInAddsFlagsToTheCommand(t *testing.T) {
	files := kubeadm()
	command, by, err := execStart(files)
	if err != nil || by != files[1].path || !strings.HasSuffix(command, "$KUBELET_KUBEADM_ARGS") {
		t.Fatalf("command %q of %s, %v", command, by, err)
	}
	own := unitFile{"/etc/systemd/system/kubelet.service.d/99-wazelet.conf", kubeletDropIn(command, []string{"--container-runtime-endpoint=unix:///w.sock"})}
	with, by, err := execStart(append(files, own))
	if err != nil || by != own.path || with != command+" --container-runtime-endpoint=unix:///w.sock" {
		t.Errorf("with the drop-in the command is %q of %s, %v", with, by, err)
	}
	for name, want := range map[string]string{"Wants": "Wants=wazelet.service", "After": "After=wazelet.service"} {
		if !strings.Contains(string(own.content), want) {
			t.Errorf("the drop-in lost %s", name)
		}
	}
	if plain := kubeletDropIn(command, nil); strings.Contains(string(plain), "ExecStart") {
		t.Errorf("without flags the command is repeated: %s", plain)
	}
	files[1].content = []byte("[Service]\nExecStart=/usr/bin/another\n") // no reset: two commands
	if _, _, err := execStart(files); err == nil {
		t.Error("a unit with two commands was understood")
	}
}

// FuzzForeignFiles reads what other programs have written: nothing may panic, and what
// is read of a manifest is bounded by it.
func FuzzForeignFiles(f *testing.F) {
	f.Add([]byte("kind: KubeletConfiguration\ncontainerRuntimeEndpoint: unix:///a\nhealthzPort: 1\n"))
	f.Add([]byte("[Service]\nExecStart=/usr/bin/kubelet $A \\\n $B\n"))
	f.Add([]byte(`{"version":1,"files":[{"path":"/a","sha256":"b"}]}`))
	f.Add([]byte("--config=/x\x00--config-dir\x00/y"))
	f.Add([]byte("runtime-endpoint: \"unix:///a\"\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		h := tree(t, map[string]string{"/f": string(content), "/etc/installed.json": string(content)})
		k, err := readKubelet(h, []string{"--config=/f"})
		if err == nil {
			_, _, _, _ = k.Endpoint(), k.ImageEndpoint(), k.CgroupDriver(), k.Healthz()
		}
		_, _, _ = execStart([]unitFile{{"/f", content}})
		_ = parseFlags(strings.Split(string(content), "\x00"))
		_, _ = h.ReadManifest("/etc/config.toml")
		_, _ = crictlConfig(h, "/f", "/a", "/b")
	})
}
