// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/cmd/wazelet/install"
)

func TestKubeletMustPointHere(t *testing.T) {
	o := healthy(t)
	here := "containerRuntimeEndpoint: unix://" + o.Config.GRPC.Address + "\n"
	for _, test := range []struct {
		name, file string
		v1         bool
		want       string // after the file's name
	}{
		{name: "right", file: here, want: " points here"},
		{name: "bare path", file: "containerRuntimeEndpoint: " + o.Config.GRPC.Address, want: " points here"},
		{name: "JSON", file: `{"containerRuntimeEndpoint":"unix://` + o.Config.GRPC.Address + `"}`, want: " points here"},
		{name: "unset", file: "kind: KubeletConfiguration", want: ": containerRuntimeEndpoint is not set"},
		{name: "elsewhere", file: "containerRuntimeEndpoint: unix:///run/containerd/containerd.sock",
			want: ": containerRuntimeEndpoint is unix:///run/containerd/containerd.sock, not this Wazelet"},
		{name: "images elsewhere", file: here + "imageServiceEndpoint: unix:///run/x.sock",
			want: ": imageServiceEndpoint is unix:///run/x.sock: images would be pulled where no pod finds them"},
		{name: "driver", file: here + "cgroupDriver: systemd",
			want: ": cgroupDriver is systemd, but the kubelet takes cgroupfs over from Wazelet"},
		{name: "v1, unset", v1: true, file: here, want: ": failCgroupV1 is on, and this node has cgroup v1: the kubelet will not start"},
		{name: "v1, on", v1: true, file: here + "failCgroupV1: true", want: ": failCgroupV1 is on, and this node has cgroup v1: the kubelet will not start"},
		{name: "v1, off", v1: true, file: here + "failCgroupV1: false", want: " points here"},
		{name: "another kind", file: "kind: Pod", want: " is a Pod"},
		{name: "not YAML", file: "\t{", want: ": yaml: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			write(t, o.KubeletConfig, test.file)
			_, got, _ := strings.Cut(about(examineKubelet(o, !test.v1), ""), o.KubeletConfig)
			if !strings.HasPrefix(got, test.want) {
				t.Errorf("finding is %q, want %q", got, test.want)
			}
		})
	}
}

func TestKubeletFlagsWinOverItsFile(t *testing.T) {
	o := healthy(t)
	flags := filepath.Join(filepath.Dir(o.KubeletConfig), "kubeadm-flags.env")
	write(t, flags, `KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=unix:///run/containerd/containerd.sock --pod-infra=x"`)
	if got := about(examineKubelet(o, true), ""); !strings.HasPrefix(got, "fail: "+flags+" sets --container-runtime-endpoint=unix:///run/containerd/containerd.sock") {
		t.Errorf("finding is %q", got)
	}
	write(t, flags, `KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=unix://`+o.Config.GRPC.Address+`"`)
	if got := about(examineKubelet(o, true), ""); got != "ok: "+o.KubeletConfig+" points here" {
		t.Errorf("finding is %q", got)
	}
}

func TestAbsentFilesAreNoFailure(t *testing.T) {
	o := healthy(t)
	for _, path := range []string{o.KubeletConfig, o.CrictlConfig} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if got := about(examineKubelet(o, true), ""); got != "warn: the kubelet has no configuration at "+o.KubeletConfig {
		t.Errorf("finding is %q", got)
	}
	if got := about(checkCrictl(t.Context(), o), ""); got != "warn: crictl is not told where Wazelet is: there is no "+o.CrictlConfig {
		t.Errorf("finding is %q", got)
	}
}

func TestCrictlMustPointHere(t *testing.T) {
	o := healthy(t)
	for file, want := range map[string]string{
		"runtime-endpoint: unix:///run/x.sock": `warn: ` + o.CrictlConfig + `: runtime-endpoint is "unix:///run/x.sock", not this Wazelet`,
		"timeout: 3":                           `warn: ` + o.CrictlConfig + `: runtime-endpoint is "", not this Wazelet`,
		"- a":                                  `warn: ` + o.CrictlConfig + `: yaml: `,
		"runtime-endpoint: " + o.Config.GRPC.Address + "\nimage-endpoint: unix:///x": `warn: ` + o.CrictlConfig + `: image-endpoint is "unix:///x", not this Wazelet`,
		strings.Repeat("#", maxFile+1): `warn: ` + o.CrictlConfig + `: larger than 1048576 bytes`,
	} {
		write(t, o.CrictlConfig, file)
		if got := about(checkCrictl(t.Context(), o), ""); !strings.HasPrefix(got, want) {
			t.Errorf("finding is %q, want %q", got, want)
		}
	}
}

// FuzzReadYAML proves that no file of another program stops the doctor.
func FuzzReadYAML(f *testing.F) {
	f.Add("kind: KubeletConfiguration\nfailCgroupV1: false\n")
	f.Add("a: &a [*a]\n")
	f.Add("{\"containerRuntimeEndpoint\": 1}")
	path := filepath.Join(f.TempDir(), "file")
	f.Fuzz(func(t *testing.T, content string) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		var k kubeletConfig
		if err := readYAML(path, &k); err != nil && !strings.HasPrefix(err.Error(), path+": ") {
			t.Errorf("error does not name the file: %v", err)
		}
	})
}

// TestWhatWasInstalledPointsTheKubelet takes the word of the installer's manifest for a
// kubelet whose configuration names another runtime, as long as its file is there.
func TestWhatWasInstalledPointsTheKubelet(t *testing.T) {
	o := healthy(t)
	write(t, o.KubeletConfig, "kind: KubeletConfiguration\nfailCgroupV1: false\ncontainerRuntimeEndpoint: unix:///run/containerd/containerd.sock\n")
	dir := filepath.Dir(o.KubeletConfig)
	o.ConfigPath = filepath.Join(dir, "config.toml")
	dropIn := filepath.Join(dir, "99-wazelet.conf")
	content := "[Service]\n"
	write(t, dropIn, content)
	write(t, install.ManifestPath(o.ConfigPath), fmt.Sprintf(`{"version":1,"kubeletFile":%q,"files":[{"path":%[1]q,"sha256":"%x"}]}`, dropIn, sha256.Sum256([]byte(content))))
	if got := about(examineKubelet(o, true), ""); got != "ok: "+dropIn+" points here" {
		t.Errorf("installed: %s", got)
	}
	write(t, dropIn, "[Service]\nExecStart=/changed\n")
	if got := about(examineKubelet(o, true), ""); !strings.HasPrefix(got, "fail: "+o.KubeletConfig+": containerRuntimeEndpoint is ") {
		t.Errorf("changed since: %s", got)
	}
	write(t, install.ManifestPath(o.ConfigPath), "not JSON")
	if got := about(examineKubelet(o, true), ""); !strings.HasPrefix(got, "fail: "+install.ManifestPath(o.ConfigPath)) {
		t.Errorf("corrupt: %s", got)
	}
}
