// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"errors"
	"slices"
	"testing"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime/device"
	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/sandbox"
)

func TestCommandLineMergesAsForAnyContainer(t *testing.T) {
	entrypoint, cmd := []string{"/app.wasm", "-x"}, []string{"serve"}
	for name, c := range map[string]struct {
		config Config
		want   []string
	}{
		"image alone":             {Config{}, []string{"/app.wasm", "-x", "serve"}},
		"args replace cmd":        {Config{Args: []string{"a", "b"}}, []string{"/app.wasm", "-x", "a", "b"}},
		"command replaces both":   {Config{Command: []string{"/other.wasm"}}, []string{"/other.wasm"}},
		"command and args":        {Config{Command: []string{"/other.wasm"}, Args: []string{"a"}}, []string{"/other.wasm", "a"}},
		"empty words are kept":    {Config{Args: []string{""}}, []string{"/app.wasm", "-x", ""}},
		"entrypoint is not grown": {Config{Args: []string{"z"}}, []string{"/app.wasm", "-x", "z"}},
	} {
		if got := c.config.argv(entrypoint, cmd); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	c := Container{
		ImageEnv: []string{"A=image", "B=image", "PATH=/bin"}, ImageDir: "/work",
		Config: Config{Env: []string{"A=pod", "C=", "A=last"}},
	}
	got := c.environment("host", false)
	want := []string{"A=last", "B=image", "PATH=/bin", "C=", "HOSTNAME=host", "PWD=/work"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	c = Container{Config: Config{Env: []string{"PWD=/own", "HOSTNAME=own"}}}
	if got := c.environment("host", false); !slices.Equal(got, []string{"PWD=/own", "HOSTNAME=own", "PATH=" + spec.DefaultPath}) {
		t.Errorf("the pod's own values are not kept: %q", got)
	}
	if got := c.environment("host", true); !slices.Contains(got, "TERM=xterm") {
		t.Errorf("a terminal without a kind: %q", got)
	}
}

func TestModuleArtifactIsTheProgram(t *testing.T) {
	entrypoint, cmd := []string{"/bin/hello.wasm#run"}, []string{"-v"}
	for name, c := range map[string]struct {
		entrypoint, cmd []string
		config          Config
		want            []string
	}{
		"nothing given":          {nil, nil, Config{}, []string{"/hello.wasm"}},
		"args":                   {nil, nil, Config{Args: []string{"a"}}, []string{"/hello.wasm", "a"}},
		"command":                {nil, nil, Config{Command: []string{"hello"}, Args: []string{"a"}}, []string{"hello", "a"}},
		"entrypoint":             {entrypoint, cmd, Config{}, []string{"/bin/hello.wasm#run", "-v"}},
		"entrypoint and args":    {entrypoint, cmd, Config{Args: []string{"a"}}, []string{"/bin/hello.wasm#run", "a"}},
		"cmd alone":              {nil, []string{"hello", "-v"}, Config{}, []string{"hello", "-v"}},
		"cmd replaced":           {nil, []string{"hello", "-v"}, Config{Args: []string{"a"}}, []string{"/hello.wasm", "a"}},
		"command for entrypoint": {entrypoint, cmd, Config{Command: []string{"x"}}, []string{"x"}},
	} {
		image := imageservice.Image{
			Kind: imageservice.KindModule, Module: &imageservice.Module{Name: "hello.wasm"},
			Entrypoint: c.entrypoint, Cmd: c.cmd,
		}
		s, err := workerSpec(parts{container: Container{Config: c.config}, image: image})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !slices.Equal(s.Args, c.want) || s.Module == nil || s.Module.Name != "hello.wasm" {
			t.Errorf("%s: args %q, module %v", name, s.Args, s.Module)
		}
	}
}

func TestSpecRefusals(t *testing.T) {
	files := imageservice.Image{Kind: imageservice.KindFiles}
	for name, p := range map[string]parts{
		"no command":   {image: files},
		"relative cwd": {image: files, container: Container{Config: Config{Command: []string{"/a"}, WorkingDir: "x/y"}}},
	} {
		if _, err := workerSpec(p); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestSpecCarriesLimitsAndRoot(t *testing.T) {
	p := parts{
		image:   imageservice.Image{Kind: imageservice.KindFiles, Entrypoint: []string{"/a.wasm"}},
		sandbox: sandbox.Sandbox{Config: sandbox.Config{Hostname: "web-0"}},
		root:    []mount.Mount{{Type: "overlay", Source: "overlay", Options: []string{"lowerdir=/l"}}},
		container: Container{UID: 7, GID: 8, Groups: []uint32{9}, ImageDir: "/img", Config: Config{
			MemoryGrowFail: true, Resources: cgroup.Resources{MemoryLimit: 40<<20 + 1},
			Annotations: map[string]string{terminationAnnotation: "/dev/termination-log"},
		}},
	}
	s, err := workerSpec(p)
	if err != nil {
		t.Fatal(err)
	}
	if s.MemoryMaxPages != 384 || s.Cwd != "/img" || s.Hostname != "web-0" || s.TerminationMessagePath != "/dev/termination-log" {
		t.Errorf("got %+v", s)
	}
	if s.UID != 7 || s.GID != 8 || !slices.Equal(s.Groups, []uint32{9}) || len(s.Root) != 1 || s.Root[0].Type != "overlay" {
		t.Errorf("got %+v", s)
	}
}

func TestMountsOfTheSandboxGiveWayAndParentsComeFirst(t *testing.T) {
	got := containerMounts([]Mount{
		{ContainerPath: "/data/deep/er", HostPath: "/b"},
		{ContainerPath: "/data", HostPath: "/a", ReadOnly: true},
		{ContainerPath: "/etc/hosts/", HostPath: "/kubelet/hosts"},
	}, "/shared", nil, []device.Node{{HostPath: "/dev/fuse", ContainerPath: "/data/fuse", Access: "r"}})
	var order []string
	for _, m := range got {
		order = append(order, m.Destination+"="+m.Source)
	}
	want := []string{"/data=/a", "/etc/hostname=/shared/hostname", "/etc/resolv.conf=/shared/resolv.conf", "/etc/hosts=/kubelet/hosts", "/data/fuse=/dev/fuse", "/data/deep/er=/b"}
	if !slices.Equal(order, want) {
		t.Errorf("got %q, want %q", order, want)
	}
	if i := slices.IndexFunc(got, func(m spec.Mount) bool { return m.Destination == "/data" }); !got[i].ReadOnly {
		t.Error("read-only was lost")
	}
}
