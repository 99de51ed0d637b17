// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"reflect"
	"strings"
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/runtime"
)

func TestContainerConfigTakesEveryFieldOver(t *testing.T) {
	c := kubeletContainer()
	c.Stdin, c.StdinOnce, c.Tty = true, true, true
	got, err := containerConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	uid, gid := int64(1000), int64(2000)
	want := runtime.Config{
		Name: "hello", Attempt: 1,
		ImageRef:   "registry.example/hello:v1",
		Command:    []string{"/hello.wasm"},
		Args:       []string{"-v", ""},
		Env:        []string{"GREETING=grüß=dich", "EMPTY=", "GREETING=twice"},
		WorkingDir: "/data",
		Labels:     map[string]string{"io.kubernetes.container.name": "hello"},
		Annotations: map[string]string{
			"io.kubernetes.container.hash": "1a2b", "io.kubernetes.container.restartCount": "1",
		},
		Mounts: []runtime.Mount{
			{ContainerPath: "/etc/hosts", HostPath: "/var/lib/kubelet/pods/6b1c/etc-hosts", Propagation: runtime.PropagationPrivate},
			{ContainerPath: "/ro", HostPath: "/srv", ReadOnly: true, RecursiveReadOnly: true, Propagation: runtime.PropagationPrivate},
			{ContainerPath: "/slave", HostPath: "/mnt", Propagation: runtime.PropagationSlave},
			{ContainerPath: "/data/model", ReadOnly: true, Propagation: runtime.PropagationPrivate, Options: []string{"noexec"},
				Image: imageID, ImageRef: "registry.example/model:v2", ImageSubPath: "weights"},
		},
		Devices:    []runtime.Device{{HostPath: "/dev/fuse", ContainerPath: "/dev/fuse", Permissions: "rw"}},
		CDIDevices: []string{"vendor.example/gpu=0"},
		LogPath:    "hello/1.log",
		Resources: cgroup.Resources{
			CPUShares: 512, CPUQuota: 50000, CPUPeriod: 100000, MemoryLimit: 64 << 20, MemorySwapLimit: 64 << 20,
			CPUSetCPUs: "0-1", CPUSetMems: "0", Unified: map[string]string{"memory.high": "60000000"},
			HugepageLimits: map[string]uint64{"1GB": 0, "2MB": 0},
		},
		OOMScoreAdj:  999,
		User:         runtime.User{UID: &uid, GID: &gid, Groups: []int64{3000, 4000}},
		ReadOnlyRoot: true, MaskedPaths: []string{"/proc/kcore"}, ReadonlyPaths: []string{"/proc/sys"},
		Stdin: true, StdinOnce: true, TTY: true,
		StopSignal: "SIGUSR1",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestContainerConfigOfCrictlNamesTheImageOnce(t *testing.T) {
	got, err := containerConfig(&runtimeapi.ContainerConfig{
		Metadata: &runtimeapi.ContainerMetadata{Name: "c"},
		Image:    &runtimeapi.ImageSpec{Image: "hello"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.ImageRef != "hello" {
		t.Errorf("image %q", got.ImageRef)
	}
	if got.User.UID != nil || got.User.GID != nil || got.User.Name != "" {
		t.Errorf("user %+v, want the image's", got.User)
	}
}

func TestContainerConfigRefuses(t *testing.T) {
	security := func(c *runtimeapi.ContainerConfig) *runtimeapi.LinuxContainerSecurityContext {
		return c.Linux.SecurityContext
	}
	mount := func(m *runtimeapi.Mount) func(*runtimeapi.ContainerConfig) {
		return func(c *runtimeapi.ContainerConfig) { c.Mounts = []*runtimeapi.Mount{m} }
	}
	for name, tt := range map[string]struct {
		change func(*runtimeapi.ContainerConfig)
		want   []string
	}{
		"no metadata":      {func(c *runtimeapi.ContainerConfig) { c.Metadata = nil }, []string{"config.metadata.name", "required"}},
		"no image":         {func(c *runtimeapi.ContainerConfig) { c.Image = nil }, []string{"config.image.image", "required"}},
		"long image":       {func(c *runtimeapi.ContainerConfig) { c.Image.Image = strings.Repeat("i", maxImageRef+1) }, []string{"config.image.image"}},
		"NUL in argument":  {func(c *runtimeapi.ContainerConfig) { c.Args[1] = "\x00" }, []string{"config.args[1]", "NUL"}},
		"many arguments":   {func(c *runtimeapi.ContainerConfig) { c.Args = make([]string, maxConfig) }, []string{"config: ", "bytes"}},
		"relative cwd":     {func(c *runtimeapi.ContainerConfig) { c.WorkingDir = "data" }, []string{"config.working_dir", "absolute"}},
		"climbing log":     {func(c *runtimeapi.ContainerConfig) { c.LogPath = "../../etc/passwd" }, []string{"config.log_path"}},
		"absolute log":     {func(c *runtimeapi.ContainerConfig) { c.LogPath = "/etc/passwd" }, []string{"config.log_path"}},
		"variable no name": {func(c *runtimeapi.ContainerConfig) { c.Envs[1].Key = "" }, []string{"config.envs[1].key"}},
		"variable with =":  {func(c *runtimeapi.ContainerConfig) { c.Envs[1].Key = "A=B" }, []string{"config.envs[1].key", "A=B"}},
		"variable bytes":   {func(c *runtimeapi.ContainerConfig) { c.Envs[0].Value = []byte{0xff} }, []string{"config.envs[0].value", "GREETING", "UTF-8"}},
		"variable NUL":     {func(c *runtimeapi.ContainerConfig) { c.Envs[0].Value = []byte{0} }, []string{"config.envs[0].value", "NUL"}},
		"big labels":       {func(c *runtimeapi.ContainerConfig) { c.Labels["x"] = strings.Repeat("x", maxConfig) }, []string{"config: ", "bytes"}},
		"device without a path": {func(c *runtimeapi.ContainerConfig) {
			c.Devices = []*runtimeapi.Device{{HostPath: "/dev/fuse"}}
		}, []string{"config.devices[0].container_path", "required"}},
		"relative device": {func(c *runtimeapi.ContainerConfig) {
			c.Devices = []*runtimeapi.Device{{HostPath: "dev/fuse", ContainerPath: "/dev/fuse"}}
		}, []string{"config.devices[0].host_path", "absolute"}},
		"permissions of a device": {func(c *runtimeapi.ContainerConfig) {
			c.Devices = []*runtimeapi.Device{{HostPath: "/dev/fuse", ContainerPath: "/dev/fuse", Permissions: "rx"}}
		}, []string{"config.devices[0].permissions", `"rx"`}},
		"CDI device without a name": {func(c *runtimeapi.ContainerConfig) {
			c.CDIDevices = []*runtimeapi.CDIDevice{{}}
		}, []string{"config.CDI_devices[0].name", "required"}},
		"signal":    {func(c *runtimeapi.ContainerConfig) { c.StopSignal = 99 }, []string{"config.stop_signal", "99"}},
		"resources": {func(c *runtimeapi.ContainerConfig) { c.Linux.Resources.MemoryLimitInBytes = -2 }, []string{"config.linux.resources.memory_limit_in_bytes"}},
		"oom score": {func(c *runtimeapi.ContainerConfig) { c.Linux.Resources.OomScoreAdj = 1001 }, []string{"oom_score_adj", "1001"}},
		"huge pages": {func(c *runtimeapi.ContainerConfig) { c.Linux.Resources.HugepageLimits[1].Limit = 4 << 20 },
			[]string{"config.linux.resources.hugepage_limits[2MB]", "4194304 bytes", "cannot use huge pages"}},
		"no mount target": {mount(&runtimeapi.Mount{HostPath: "/a"}), []string{"config.mounts[0].container_path", "required"}},
		"no mount source": {mount(&runtimeapi.Mount{ContainerPath: "/a"}), []string{"config.mounts[0].host_path", "required"}},
		"relative target": {mount(&runtimeapi.Mount{HostPath: "/a", ContainerPath: "a"}), []string{"container_path", "absolute"}},
		"relative source": {mount(&runtimeapi.Mount{HostPath: "a", ContainerPath: "/a"}), []string{"host_path", "absolute"}},
		"propagation":     {mount(&runtimeapi.Mount{HostPath: "/a", ContainerPath: "/a", Propagation: 5}), []string{"propagation", "5"}},
		"rro of rw":       {mount(&runtimeapi.Mount{HostPath: "/a", ContainerPath: "/a", RecursiveReadOnly: true}), []string{"recursive_read_only", "readonly"}},
		"rro with slave": {mount(&runtimeapi.Mount{
			HostPath: "/a", ContainerPath: "/a", Readonly: true, RecursiveReadOnly: true,
			Propagation: runtimeapi.MountPropagation_PROPAGATION_HOST_TO_CONTAINER,
		}), []string{"recursive_read_only", "HOST_TO_CONTAINER"}},
		"rro with shared": {mount(&runtimeapi.Mount{
			HostPath: "/a", ContainerPath: "/a", Readonly: true, RecursiveReadOnly: true,
			Propagation: runtimeapi.MountPropagation_PROPAGATION_BIDIRECTIONAL,
		}), []string{"config.mounts[0].propagation", "Bidirectional", "HostToContainer"}},
		"bidirectional": {mount(&runtimeapi.Mount{
			HostPath: "/a", ContainerPath: "/a", Propagation: runtimeapi.MountPropagation_PROPAGATION_BIDIRECTIONAL,
		}), []string{"config.mounts[0].propagation", "Bidirectional", "HostToContainer"}},
		"writable image": {mount(&runtimeapi.Mount{ContainerPath: "/a", Image: &runtimeapi.ImageSpec{Image: "x"}}), []string{"config.mounts[0].readonly", "read-only"}},
		"image of a path": {mount(&runtimeapi.Mount{
			ContainerPath: "/a", HostPath: "/b", Readonly: true, Image: &runtimeapi.ImageSpec{Image: "x"},
		}), []string{"config.mounts[0].host_path", "empty"}},
		"sub path of no image": {mount(&runtimeapi.Mount{ContainerPath: "/a", Readonly: true, ImageSubPath: "x"}), []string{"config.mounts[0].image.image", "required"}},
		"NUL in a sub path": {mount(&runtimeapi.Mount{
			ContainerPath: "/a", Readonly: true, Image: &runtimeapi.ImageSpec{Image: "x"}, ImageSubPath: "a\x00b",
		}), []string{"config.mounts[0].image_sub_path", "NUL"}},
		"idmapped": {mount(&runtimeapi.Mount{
			HostPath: "/a", ContainerPath: "/a", UidMappings: []*runtimeapi.IDMapping{{ContainerId: 1, HostId: 1000, Length: 1}},
		}), []string{"uidMappings"}},
		"mount options": {mount(&runtimeapi.Mount{HostPath: "/a", ContainerPath: "/a", MountOptions: []string{"noexec", "size=1"}}), []string{"config.mounts[0].mount_options[1]", "size=1", "noexec"}},
		"suid":          {mount(&runtimeapi.Mount{HostPath: "/a", ContainerPath: "/a", MountOptions: []string{"suid"}}), []string{"config.mounts[0].mount_options[0]", `"suid"`}},
		"privileged":    {func(c *runtimeapi.ContainerConfig) { security(c).Privileged = true }, []string{"privileged", "cannot be privileged"}},
		"user twice":    {func(c *runtimeapi.ContainerConfig) { security(c).RunAsUsername = "bob" }, []string{"run_as_username", "bob", "1000"}},
		"negative user": {func(c *runtimeapi.ContainerConfig) { security(c).RunAsUser.Value = -1 }, []string{"run_as_user"}},
		"user -1":       {func(c *runtimeapi.ContainerConfig) { security(c).RunAsUser.Value = 1<<32 - 1 }, []string{"run_as_user"}},
		"huge group":    {func(c *runtimeapi.ContainerConfig) { security(c).RunAsGroup.Value = 1 << 32 }, []string{"run_as_group"}},
		"group alone":   {func(c *runtimeapi.ContainerConfig) { security(c).RunAsUser = nil }, []string{"run_as_group", "needs run_as_user"}},
		"extra group":   {func(c *runtimeapi.ContainerConfig) { security(c).SupplementalGroups[1] = -5 }, []string{"supplemental_groups[1]"}},
		"many groups":   {func(c *runtimeapi.ContainerConfig) { security(c).SupplementalGroups = make([]int64, 65537) }, []string{"supplemental_groups"}},
		"strict policy": {func(c *runtimeapi.ContainerConfig) {
			security(c).SupplementalGroupsPolicy = 7
		}, []string{"supplemental_groups_policy", "7"}},
		"masked path":   {func(c *runtimeapi.ContainerConfig) { security(c).MaskedPaths = []string{"proc"} }, []string{"masked_paths[0]"}},
		"readonly path": {func(c *runtimeapi.ContainerConfig) { security(c).ReadonlyPaths = []string{""} }, []string{"readonly_paths[0]"}},
		"seccomp": {func(c *runtimeapi.ContainerConfig) {
			security(c).Seccomp.ProfileType, security(c).Seccomp.LocalhostRef = runtimeapi.SecurityProfile_Localhost, "own.json"
		}, []string{"seccomp.localhost_ref", "own.json", "absolute"}},
		"seccomp type": {func(c *runtimeapi.ContainerConfig) { security(c).Seccomp.ProfileType = 9 }, []string{"seccomp.profile_type", "9"}},
		"deprecated apparmor": {func(c *runtimeapi.ContainerConfig) {
			security(c).ApparmorProfile = "localhost/p" //nolint:staticcheck // the deprecated field is the case
		}, []string{"apparmor_profile"}},
		"selinux": {func(c *runtimeapi.ContainerConfig) {
			security(c).SelinuxOptions = &runtimeapi.SELinuxOption{Type: "container_t"}
		}, []string{"selinux_options"}},
		"userns": {func(c *runtimeapi.ContainerConfig) {
			security(c).NamespaceOptions.UsernsOptions.Mode = runtimeapi.NamespaceMode_POD
		}, []string{"userns_options"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := kubeletContainer()
			tt.change(c)
			_, err := containerConfig(c)
			refused(t, err, tt.want...)
		})
	}
	_, err := containerConfig(nil)
	refused(t, err, "config: required")
}

func TestContainerConfigIgnoresWhatOnlyLoosens(t *testing.T) {
	c := kubeletContainer()
	sc := c.Linux.SecurityContext
	sc.Capabilities = &runtimeapi.Capability{AddCapabilities: []string{"ALL"}, AddAmbientCapabilities: []string{"SYS_ADMIN"}}
	sc.NamespaceOptions = &runtimeapi.NamespaceOption{Pid: runtimeapi.NamespaceMode_TARGET, TargetId: "other", Ipc: runtimeapi.NamespaceMode_NODE}
	sc.Apparmor = &runtimeapi.SecurityProfile{ProfileType: runtimeapi.SecurityProfile_RuntimeDefault}
	c.Mounts[0].SelinuxRelabel = true
	if _, err := containerConfig(c); err != nil {
		t.Error(err)
	}
}

func TestMemoryGrowFail(t *testing.T) {
	for _, tt := range []struct {
		annotations map[string]string
		want        bool
	}{
		{nil, false},
		{map[string]string{"other": "fail"}, false},
		{map[string]string{memoryGrowAnnotation: "fail"}, true},
	} {
		if got, err := memoryGrowFail(tt.annotations); err != nil || got != tt.want {
			t.Errorf("%v: %v, %v", tt.annotations, got, err)
		}
	}
	_, err := memoryGrowFail(map[string]string{memoryGrowAnnotation: ""})
	refused(t, err, memoryGrowAnnotation)
}

func TestGraceIsBoundedAndNeverNegative(t *testing.T) {
	for seconds, want := range map[int64]string{-1: "0s", 0: "0s", 2: "2s", 1 << 62: "8760h0m0s"} {
		if got := grace(seconds).String(); got != want {
			t.Errorf("%d: %s, want %s", seconds, got, want)
		}
	}
}

func TestSeccompProfileOfTheNode(t *testing.T) {
	localhost := &runtimeapi.SecurityProfile{ProfileType: runtimeapi.SecurityProfile_Localhost, LocalhostRef: "/var/lib/kubelet/seccomp/own.json"}
	for name, tt := range map[string]struct {
		change func(*runtimeapi.LinuxContainerSecurityContext)
		want   string
	}{
		"none": {func(sc *runtimeapi.LinuxContainerSecurityContext) { sc.Seccomp = nil }, ""},
		"runtime default": {func(sc *runtimeapi.LinuxContainerSecurityContext) {
			sc.Seccomp.ProfileType = runtimeapi.SecurityProfile_RuntimeDefault
		}, ""},
		"localhost": {func(sc *runtimeapi.LinuxContainerSecurityContext) { sc.Seccomp = localhost }, "/var/lib/kubelet/seccomp/own.json"},
		"deprecated field": {func(sc *runtimeapi.LinuxContainerSecurityContext) {
			sc.Seccomp, sc.SeccompProfilePath = nil, "localhost//old.json" //nolint:staticcheck // the deprecated field is the case
		}, "/old.json"},
		"deprecated default": {func(sc *runtimeapi.LinuxContainerSecurityContext) {
			sc.Seccomp, sc.SeccompProfilePath = nil, "runtime/default" //nolint:staticcheck // likewise
		}, ""},
	} {
		c := kubeletContainer()
		tt.change(c.Linux.SecurityContext)
		if got, err := containerConfig(c); err != nil || got.SeccompProfile != tt.want {
			t.Errorf("%s: %q, %v; want %q", name, got.SeccompProfile, err, tt.want)
		}
	}
}
