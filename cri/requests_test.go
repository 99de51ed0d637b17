// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// kubeletPod is a sandbox config as kubelet 1.37 sends it.
func kubeletPod() *runtimeapi.PodSandboxConfig {
	return &runtimeapi.PodSandboxConfig{
		Metadata:     &runtimeapi.PodSandboxMetadata{Name: "web", Namespace: "default", Uid: "6b1c", Attempt: 2},
		Hostname:     "web",
		LogDirectory: "/var/log/pods/default_web_6b1c",
		DnsConfig: &runtimeapi.DNSConfig{
			Servers:  []string{"10.96.0.10", "fd00::a"},
			Searches: []string{"default.svc.cluster.local", "cluster.local"},
			Options:  []string{"ndots:5"},
		},
		PortMappings: []*runtimeapi.PortMapping{
			{Protocol: runtimeapi.Protocol_TCP, ContainerPort: 80, HostPort: 8080, HostIp: "127.0.0.1"},
			{Protocol: runtimeapi.Protocol_UDP, ContainerPort: 53},
			{Protocol: runtimeapi.Protocol_SCTP, ContainerPort: 99, HostPort: 9900},
		},
		Labels:      map[string]string{"io.kubernetes.pod.name": "web", "app": "hello"},
		Annotations: map[string]string{"kubernetes.io/config.seen": "2026-11-22T10:00:00Z", "note": "a\nb\t\"c\" ü"},
		Linux: &runtimeapi.LinuxPodSandboxConfig{
			CgroupParent: "/kubepods/burstable/pod6b1c",
			Sysctls:      map[string]string{"net.ipv4.ip_unprivileged_port_start": "0"},
			Overhead:     &runtimeapi.LinuxContainerResources{CpuShares: 10},
			Resources:    &runtimeapi.LinuxContainerResources{MemoryLimitInBytes: 1 << 27},
			SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{
				NamespaceOptions: &runtimeapi.NamespaceOption{
					Network:       runtimeapi.NamespaceMode_POD,
					Pid:           runtimeapi.NamespaceMode_CONTAINER,
					Ipc:           runtimeapi.NamespaceMode_POD,
					UsernsOptions: &runtimeapi.UserNamespace{Mode: runtimeapi.NamespaceMode_NODE},
				},
				Seccomp: &runtimeapi.SecurityProfile{ProfileType: runtimeapi.SecurityProfile_RuntimeDefault},
			},
		},
	}
}

// kubeletContainer is a container config as kubelet 1.37 sends it.
func kubeletContainer() *runtimeapi.ContainerConfig {
	return &runtimeapi.ContainerConfig{
		Metadata: &runtimeapi.ContainerMetadata{Name: "hello", Attempt: 1},
		Image: &runtimeapi.ImageSpec{
			Image: imageID, UserSpecifiedImage: "registry.example/hello:v1",
		},
		Command:    []string{"/hello.wasm"},
		Args:       []string{"-v", ""},
		WorkingDir: "/data",
		Envs: []*runtimeapi.KeyValue{
			{Key: "GREETING", Value: []byte("grüß=dich")},
			{Key: "EMPTY", Value: nil},
			{Key: "GREETING", Value: []byte("twice")},
		},
		Mounts: []*runtimeapi.Mount{
			{ContainerPath: "/etc/hosts", HostPath: "/var/lib/kubelet/pods/6b1c/etc-hosts"},
			{ContainerPath: "/ro", HostPath: "/srv", Readonly: true, RecursiveReadOnly: true},
			{ContainerPath: "/slave", HostPath: "/mnt", Propagation: runtimeapi.MountPropagation_PROPAGATION_HOST_TO_CONTAINER},
			{ContainerPath: "/data/model", Readonly: true, MountOptions: []string{"noexec"}, ImageSubPath: "weights",
				Image: &runtimeapi.ImageSpec{Image: imageID, UserSpecifiedImage: "registry.example/model:v2"}},
		},
		Devices:     []*runtimeapi.Device{{HostPath: "/dev/fuse", ContainerPath: "/dev/fuse", Permissions: "rw"}},
		CDIDevices:  []*runtimeapi.CDIDevice{{Name: "vendor.example/gpu=0"}},
		Labels:      map[string]string{"io.kubernetes.container.name": "hello"},
		Annotations: map[string]string{"io.kubernetes.container.hash": "1a2b", "io.kubernetes.container.restartCount": "1"},
		LogPath:     "hello/1.log",
		StopSignal:  runtimeapi.Signal_SIGNAL_SIGUSR1,
		Linux: &runtimeapi.LinuxContainerConfig{
			Resources: &runtimeapi.LinuxContainerResources{
				CpuPeriod: 100000, CpuQuota: 50000, CpuShares: 512, MemoryLimitInBytes: 64 << 20,
				MemorySwapLimitInBytes: 64 << 20, OomScoreAdj: 999,
				HugepageLimits: []*runtimeapi.HugepageLimit{{PageSize: "1GB"}, {PageSize: "2MB"}},
				CpusetCpus:     "0-1", CpusetMems: "0",
				Unified: map[string]string{"memory.high": "60000000"},
			},
			SecurityContext: &runtimeapi.LinuxContainerSecurityContext{
				NamespaceOptions: &runtimeapi.NamespaceOption{
					Pid:           runtimeapi.NamespaceMode_CONTAINER,
					UsernsOptions: &runtimeapi.UserNamespace{Mode: runtimeapi.NamespaceMode_NODE},
				},
				Capabilities:       &runtimeapi.Capability{AddCapabilities: []string{"NET_ADMIN"}},
				RunAsUser:          &runtimeapi.Int64Value{Value: 1000},
				RunAsGroup:         &runtimeapi.Int64Value{Value: 2000},
				SupplementalGroups: []int64{3000, 4000},
				ReadonlyRootfs:     true,
				MaskedPaths:        []string{"/proc/kcore"},
				ReadonlyPaths:      []string{"/proc/sys"},
				Seccomp:            &runtimeapi.SecurityProfile{ProfileType: runtimeapi.SecurityProfile_Unconfined},
			},
		},
	}
}

const imageID = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// refused checks that err is InvalidArgument and says every word of want.
func refused(t *testing.T, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("accepted")
	}
	if !errdefs.IsInvalidArgument(err) {
		t.Errorf("%v: not InvalidArgument", err)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}
