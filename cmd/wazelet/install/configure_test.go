// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/config"
	"github.com/wazelet/wazelet/cri/nodeclient"
)

const socket = "/run/containerd/containerd.sock"

// TestTheConfigurationFitsTheRuntime completes the defaults, and writes no more than
// differs from them.
func TestTheConfigurationFitsTheRuntime(t *testing.T) {
	upstream := nodeclient.Description{Name: "containerd", CNIBinDirs: []string{"/opt/cni"}, CNIConfDir: "/etc/cni"}
	got, err := adopt(config.Default(), socket, "systemd", upstream)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.DefaultHandler = "containerd"
	want.Handlers = map[string]config.Handler{
		"wasm":        {Kind: config.KindWasm},
		"wasm-hybrid": {Kind: config.KindHybrid, Endpoint: socket},
		"containerd":  {Kind: config.KindDelegate, Endpoint: socket},
	}
	want.Cgroup = config.Cgroup{Driver: "systemd", Parent: "wazelet.slice"}
	want.Network = config.Network{BinDirs: []string{"/opt/cni"}, ConfDir: "/etc/cni"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("it is\n%+v, want\n%+v", got, want)
	}
	content, err := got.DumpChanges()
	if err != nil {
		t.Fatal(err)
	}
	back, err := config.Read(bytes.NewReader(content))
	if err != nil || !reflect.DeepEqual(back, want) {
		t.Errorf("read back it is\n%+v, %v, of\n%s", back, err, content)
	}
	var keys []string
	for line := range strings.Lines(string(content)) {
		if name, _, isKey := strings.Cut(line, " = "); isKey && !strings.HasPrefix(line, "#") {
			keys = append(keys, name)
		}
	}
	if keys := slices.DeleteFunc(keys, func(k string) bool { return k == "kind" || k == "endpoint" || k == "upstream_handler" }); !slices.Equal(keys,
		[]string{"version", "default_handler", "driver", "parent", "bin_dirs", "conf_dir"}) {
		t.Errorf("the file has %v", keys)
	}
	again, err := adopt(got, socket, "systemd", upstream)
	if err != nil || !reflect.DeepEqual(again, got) {
		t.Errorf("completed again it is\n%+v, %v", again, err)
	}
}

func TestWhatCannotFitIsRefused(t *testing.T) {
	other := config.Default()
	other.Handlers = map[string]config.Handler{"wasm": {Kind: "wasm"}, "c": {Kind: "delegate", Endpoint: "/run/other.sock"}}
	taken := config.Default()
	taken.Handlers = map[string]config.Handler{"containerd": {Kind: "wasm"}}
	taken.DefaultHandler = "containerd"
	driven := config.Default()
	driven.Cgroup.Parent = "/elsewhere"
	for want, base := range map[string]config.Config{
		"hands pods to /run/other.sock":          other,
		`handler "containerd" is of kind "wasm"`: taken,
		`cgroup.driver is "cgroupfs"`:            driven,
	} {
		_, err := adopt(base, socket, "systemd", nodeclient.Description{Name: "containerd"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}

func TestRuntimesGiveHandlersTheirNames(t *testing.T) {
	for name, want := range map[string]string{"containerd": "containerd", "cri-o": "cri-o", "My Runtime 2!": "my-runtime-2", "": "containers", "--": "containers"} {
		if got := handlerName(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

func TestCrictlIsToldUnlessItLooksElsewhere(t *testing.T) {
	const own = "/run/wazelet/wazelet.sock"
	for before, want := range map[string]string{
		"": "runtime-endpoint: unix://" + own + "\nimage-endpoint: unix://" + own + "\n",
		"# here\nruntime-endpoint: 'unix://" + socket + "'\ntimeout: 5\n": "# here\nruntime-endpoint: unix://" + own + "\ntimeout: 5\n",
		"runtime-endpoint: unix:///run/docker.sock\n":                     "",
	} {
		files := map[string]string{}
		if before != "" {
			files["/etc/crictl.yaml"] = before
		}
		got, err := crictlConfig(tree(t, files), "/etc/crictl.yaml", socket, own)
		if err != nil || string(got) != want {
			t.Errorf("%q became %q, %v", before, got, err)
		}
	}
}

func TestOnlyWhatTheRuntimeStillHasCanBeLost(t *testing.T) {
	p := func(id string, pid int) nodeclient.Process { return nodeclient.Process{ID: id, PID: pid} }
	before := []nodeclient.Process{p("same", 1), p("ended", 2), p("hidden", 3), p("again", 4), p("only shown", 5)}
	shown := []nodeclient.Process{p("same", 1), p("again", 44), p("new", 6), p("only shown", 5)}
	now := []nodeclient.Process{p("same", 1), p("hidden", 3), p("again", 44), p("new", 6)}
	lost, ended := differences(before, shown, now)
	if !slices.Equal(lost, []nodeclient.Process{p("hidden", 3), p("again", 4)}) || !slices.Equal(ended, []nodeclient.Process{p("ended", 2)}) {
		t.Errorf("lost %v, ended %v", lost, ended)
	}
}
