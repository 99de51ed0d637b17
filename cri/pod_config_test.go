// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/sandbox"
)

func TestSandboxConfigTakesEveryFieldOver(t *testing.T) {
	got, err := sandboxConfig(kubeletPod(), "wasm")
	if err != nil {
		t.Fatal(err)
	}
	want := sandbox.Config{
		Metadata:     sandbox.Metadata{Name: "web", Namespace: "default", UID: "6b1c", Attempt: 2},
		Handler:      "wasm",
		Hostname:     "web",
		LogDirectory: "/var/log/pods/default_web_6b1c",
		CgroupParent: "/kubepods/burstable/pod6b1c",
		Labels:       map[string]string{"io.kubernetes.pod.name": "web", "app": "hello"},
		Annotations:  map[string]string{"kubernetes.io/config.seen": "2026-11-22T10:00:00Z", "note": "a\nb\t\"c\" ü"},
		DNS: sandbox.DNS{
			Servers:  []string{"10.96.0.10", "fd00::a"},
			Searches: []string{"default.svc.cluster.local", "cluster.local"},
			Options:  []string{"ndots:5"},
		},
		PortMappings: []sandbox.PortMapping{ // the one without a host port is not a mapping
			{Protocol: sandbox.ProtocolTCP, ContainerPort: 80, HostPort: 8080, HostIP: "127.0.0.1"},
			{Protocol: sandbox.ProtocolSCTP, ContainerPort: 99, HostPort: 9900},
		},
		Network:          sandbox.NetworkPod,
		Sysctls:          map[string]string{"net.ipv4.ip_unprivileged_port_start": "0"},
		Overhead:         &cgroup.Resources{CPUShares: 10},
		Resources:        &cgroup.Resources{MemoryLimit: 1 << 27},
		NamespaceOptions: sandbox.NamespaceOptions{Pid: "CONTAINER", Ipc: "POD", Userns: "NODE"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
}

func TestSandboxConfigNeedsLittle(t *testing.T) {
	got, err := sandboxConfig(&runtimeapi.PodSandboxConfig{
		Metadata: &runtimeapi.PodSandboxMetadata{Name: "n", Namespace: "ns", Uid: "u"},
		// One of its containers asks for it, and is refused then.
		Linux: &runtimeapi.LinuxPodSandboxConfig{SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{Privileged: true}},
	}, "wasm")
	if err != nil {
		t.Fatal(err)
	}
	if got.Network != sandbox.NetworkPod || got.Overhead != nil || got.Resources != nil {
		t.Errorf("defaults: %v", got)
	}
}

// userns asks for a user namespace of one range.
func userns(container, host, length uint32) func(*runtimeapi.PodSandboxConfig) {
	return func(p *runtimeapi.PodSandboxConfig) {
		ids := []*runtimeapi.IDMapping{{ContainerId: container, HostId: host, Length: length}}
		p.Linux.SecurityContext.NamespaceOptions.UsernsOptions = &runtimeapi.UserNamespace{Mode: runtimeapi.NamespaceMode_POD, Uids: ids, Gids: ids}
	}
}

func TestUserNamespaceIsKeptAndEchoed(t *testing.T) {
	p := kubeletPod()
	userns(0, 1000, 100000)(p)
	got, err := sandboxConfig(p, "wasm")
	if err != nil {
		t.Fatal(err)
	}
	want := []sandbox.IDMap{{Container: 0, Host: 1000, Size: 100000}}
	if o := got.NamespaceOptions; o.Userns != "POD" || !reflect.DeepEqual(o.UIDs, want) || !reflect.DeepEqual(o.GIDs, want) {
		t.Errorf("%+v", o)
	}
	if echo := echoNamespaces(got.Network, got.NamespaceOptions); !proto.Equal(echo, p.Linux.SecurityContext.NamespaceOptions) {
		t.Errorf("echoed %v", echo)
	}
	c := &runtimeapi.ContainerConfig{Linux: &runtimeapi.LinuxContainerConfig{SecurityContext: &runtimeapi.LinuxContainerSecurityContext{
		NamespaceOptions: p.Linux.SecurityContext.NamespaceOptions,
	}}}
	if err := validatePodUserns(c, sandbox.Sandbox{Config: got}); err != nil {
		t.Error(err)
	}
	refused(t, validatePodUserns(c, sandbox.Sandbox{}), "userns_options", "not that of the pod")
}

func TestSandboxConfigRefuses(t *testing.T) {
	linux := func(p *runtimeapi.PodSandboxConfig) *runtimeapi.LinuxSandboxSecurityContext {
		return p.Linux.SecurityContext
	}
	for name, tt := range map[string]struct {
		change func(*runtimeapi.PodSandboxConfig)
		want   []string
	}{
		"no metadata":      {func(p *runtimeapi.PodSandboxConfig) { p.Metadata = nil }, []string{"config.metadata.name", "required"}},
		"no namespace":     {func(p *runtimeapi.PodSandboxConfig) { p.Metadata.Namespace = "" }, []string{"config.metadata.namespace", "required"}},
		"no uid":           {func(p *runtimeapi.PodSandboxConfig) { p.Metadata.Uid = "" }, []string{"config.metadata.uid", "required"}},
		"long name":        {func(p *runtimeapi.PodSandboxConfig) { p.Metadata.Name = strings.Repeat("a", 1025) }, []string{"config.metadata.name", "1025"}},
		"NUL in name":      {func(p *runtimeapi.PodSandboxConfig) { p.Metadata.Name = "a\x00" }, []string{"config.metadata.name", "NUL"}},
		"relative log dir": {func(p *runtimeapi.PodSandboxConfig) { p.LogDirectory = "logs" }, []string{"config.log_directory", "absolute"}},
		"climbing cgroup":  {func(p *runtimeapi.PodSandboxConfig) { p.Linux.CgroupParent = "/a/../../b" }, []string{"cgroup_parent"}},
		"protocol":         {func(p *runtimeapi.PodSandboxConfig) { p.PortMappings[0].Protocol = 9 }, []string{"port_mappings[0].protocol", "9"}},
		"big annotations":  {func(p *runtimeapi.PodSandboxConfig) { p.Annotations["big"] = strings.Repeat("x", maxConfig) }, []string{"config: ", "bytes"}},
		"memory-grow":      {func(p *runtimeapi.PodSandboxConfig) { p.Annotations[memoryGrowAnnotation] = "trap" }, []string{"wazelet.dev/memory-grow", "trap", "fail"}},
		"resources":        {func(p *runtimeapi.PodSandboxConfig) { p.Linux.Resources.CpuShares = -1 }, []string{"config.linux.resources.cpu_shares"}},
		"overhead":         {func(p *runtimeapi.PodSandboxConfig) { p.Linux.Overhead.CpuPeriod = -1 }, []string{"config.linux.overhead.cpu_period"}},
		"group alone":      {func(p *runtimeapi.PodSandboxConfig) { linux(p).RunAsGroup = &runtimeapi.Int64Value{} }, []string{"run_as_group", "run_as_user"}},
		"userns": {func(p *runtimeapi.PodSandboxConfig) {
			linux(p).NamespaceOptions.UsernsOptions = &runtimeapi.UserNamespace{Mode: runtimeapi.NamespaceMode_POD}
		}, []string{"userns_options.uids", "0 mappings"}},
		"userns of the node's root": {userns(0, 0, 65536), []string{"userns_options.uids[0].host_id", "the node's"}},
		"userns without root":       {userns(1, 1000, 65536), []string{"userns_options.uids[0].container_id", "begin with 0"}},
		"empty userns":              {userns(0, 1000, 0), []string{"userns_options.uids[0].length"}},
		"userns beyond all ids":     {userns(0, 4294901760, 65536), []string{"userns_options.uids[0]", "beyond"}},
		"userns of a container": {func(p *runtimeapi.PodSandboxConfig) {
			linux(p).NamespaceOptions.UsernsOptions = &runtimeapi.UserNamespace{Mode: runtimeapi.NamespaceMode_CONTAINER}
		}, []string{"userns_options.mode", "CONTAINER"}},
		"mapping of the node's": {func(p *runtimeapi.PodSandboxConfig) {
			linux(p).NamespaceOptions.UsernsOptions = &runtimeapi.UserNamespace{
				Mode: runtimeapi.NamespaceMode_NODE, Uids: []*runtimeapi.IDMapping{{HostId: 1000, Length: 1}},
			}
		}, []string{"userns_options", "no mapping"}},
		"network target": {func(p *runtimeapi.PodSandboxConfig) {
			linux(p).NamespaceOptions.Network = runtimeapi.NamespaceMode_TARGET
		}, []string{"namespace_options.network"}},
		"unknown mode": {func(p *runtimeapi.PodSandboxConfig) { linux(p).NamespaceOptions.Pid = 7 }, []string{"namespace_options.pid", "7"}},
		"seccomp": {func(p *runtimeapi.PodSandboxConfig) {
			linux(p).Seccomp = &runtimeapi.SecurityProfile{ProfileType: runtimeapi.SecurityProfile_Localhost, LocalhostRef: "p.json"}
		}, []string{"seccomp.localhost_ref", "absolute"}},
		"deprecated seccomp": {func(p *runtimeapi.PodSandboxConfig) {
			linux(p).Seccomp, linux(p).SeccompProfilePath = nil, "localhost/p" //nolint:staticcheck // the deprecated field is the case
		}, []string{"seccomp_profile_path"}},
		"apparmor": {func(p *runtimeapi.PodSandboxConfig) {
			linux(p).Apparmor = &runtimeapi.SecurityProfile{ProfileType: runtimeapi.SecurityProfile_Localhost, LocalhostRef: "p"}
		}, []string{"apparmor", "AppArmor"}},
		"selinux": {func(p *runtimeapi.PodSandboxConfig) {
			linux(p).SelinuxOptions = &runtimeapi.SELinuxOption{Level: "s0:c1"}
		}, []string{"selinux_options", "SELinux"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := kubeletPod()
			tt.change(p)
			_, err := sandboxConfig(p, "wasm")
			refused(t, err, tt.want...)
		})
	}
	_, err := sandboxConfig(nil, "wasm")
	refused(t, err, "config: required")
}

func TestSandboxConfigIgnoresWhatOnlyLoosens(t *testing.T) {
	p := kubeletPod()
	o := p.Linux.SecurityContext.NamespaceOptions
	o.Network, o.Pid, o.Ipc = runtimeapi.NamespaceMode_NODE, runtimeapi.NamespaceMode_NODE, runtimeapi.NamespaceMode_NODE
	p.Linux.SecurityContext.Seccomp.ProfileType = runtimeapi.SecurityProfile_Unconfined
	p.Linux.SecurityContext.SelinuxOptions = &runtimeapi.SELinuxOption{}
	got, err := sandboxConfig(p, "wasm")
	if err != nil {
		t.Fatal(err)
	}
	if got.Network != sandbox.NetworkNode {
		t.Errorf("network %s", got.Network)
	}
}

func TestNamespaceOptionsAreEchoedExactly(t *testing.T) {
	for network := range runtimeapi.NamespaceMode_name {
		for pid := range runtimeapi.NamespaceMode_name {
			for ipc := range runtimeapi.NamespaceMode_name {
				if n := runtimeapi.NamespaceMode(network); n != runtimeapi.NamespaceMode_POD && n != runtimeapi.NamespaceMode_NODE {
					continue
				}
				asked := &runtimeapi.NamespaceOption{
					Network: runtimeapi.NamespaceMode(network), Pid: runtimeapi.NamespaceMode(pid),
					Ipc: runtimeapi.NamespaceMode(ipc), TargetId: "c1",
				}
				for _, userns := range []*runtimeapi.UserNamespace{nil, {Mode: runtimeapi.NamespaceMode_NODE}} {
					asked.UsernsOptions = userns
					if got := echoNamespaces(networkMode(asked.Network), namespaceOptions(asked)); !proto.Equal(got, asked) {
						t.Errorf("asked %v, echoed %v", asked, got)
					}
				}
			}
		}
	}
}
