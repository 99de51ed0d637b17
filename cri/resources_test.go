// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cgroup"
)

func TestResourcesAreEchoedExactly(t *testing.T) {
	for name, asked := range map[string]*runtimeapi.LinuxContainerResources{
		"none": {},
		"all":  kubeletContainer().Linux.Resources,
		"unlimited": {
			CpuQuota: -1, MemoryLimitInBytes: -1, MemorySwapLimitInBytes: -1, OomScoreAdj: -1000,
		},
		"largest": {
			CpuShares: 1<<63 - 1, CpuPeriod: 1<<63 - 1, CpuQuota: 1<<63 - 1, MemoryLimitInBytes: 1<<63 - 1,
			HugepageLimits: []*runtimeapi.HugepageLimit{{PageSize: "2MB", Limit: 1<<64 - 1}},
		},
	} {
		converted, err := resources("r", asked)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := echoResources(converted, int(asked.OomScoreAdj)); !proto.Equal(got, asked) {
			t.Errorf("%s: asked %v, echoed %v", name, asked, got)
		}
	}
}

func TestResourcesRefuse(t *testing.T) {
	for name, tt := range map[string]struct {
		r    *runtimeapi.LinuxContainerResources
		want string
	}{
		"shares":       {&runtimeapi.LinuxContainerResources{CpuShares: -1}, "r.cpu_shares"},
		"period":       {&runtimeapi.LinuxContainerResources{CpuPeriod: -1}, "r.cpu_period"},
		"quota":        {&runtimeapi.LinuxContainerResources{CpuQuota: -2}, "r.cpu_quota"},
		"memory":       {&runtimeapi.LinuxContainerResources{MemoryLimitInBytes: -2}, "r.memory_limit_in_bytes"},
		"swap":         {&runtimeapi.LinuxContainerResources{MemorySwapLimitInBytes: -2}, "r.memory_swap_limit_in_bytes"},
		"oom":          {&runtimeapi.LinuxContainerResources{OomScoreAdj: -1001}, "r.oom_score_adj"},
		"cpus":         {&runtimeapi.LinuxContainerResources{CpusetCpus: "0\x00"}, "r.cpuset_cpus"},
		"mems":         {&runtimeapi.LinuxContainerResources{CpusetMems: strings.Repeat("0,", 4096)}, "r.cpuset_mems"},
		"unified path": {&runtimeapi.LinuxContainerResources{Unified: map[string]string{"../memory.max": "1"}}, "r.unified"},
		"unified dots": {&runtimeapi.LinuxContainerResources{Unified: map[string]string{"..": "1"}}, "r.unified"},
		"unified NUL":  {&runtimeapi.LinuxContainerResources{Unified: map[string]string{"memory.max": "\x00"}}, "r.unified[memory.max]"},
		"unified kill": {&runtimeapi.LinuxContainerResources{Unified: map[string]string{"cgroup.kill": "1"}}, `"cgroup.kill" is not a resource`},
		"page size":    {&runtimeapi.LinuxContainerResources{HugepageLimits: []*runtimeapi.HugepageLimit{{PageSize: "2MB/.."}}}, "r.hugepage_limits"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := resources("r", tt.r)
			refused(t, err, tt.want)
		})
	}
}

func TestMergeResourcesKeepsWhatIsNotSpecified(t *testing.T) {
	now := cgroup.Resources{
		CPUShares: 2, CPUQuota: 1000, CPUPeriod: 100000, MemoryLimit: 1 << 20, MemorySwapLimit: 1 << 20, PidsLimit: 5,
		CPUSetCPUs: "0", CPUSetMems: "0", Unified: map[string]string{"a": "1", "b": "2"}, HugepageLimits: map[string]uint64{"2MB": 1},
	}
	if got := mergeResources(now, cgroup.Resources{}); !reflect.DeepEqual(got, now) {
		t.Errorf("an empty update made %+v", got)
	}
	got := mergeResources(now, cgroup.Resources{MemoryLimit: 2 << 20, CPUQuota: -1, Unified: map[string]string{"b": "3"}})
	want := now
	want.MemoryLimit, want.CPUQuota, want.Unified = 2<<20, -1, map[string]string{"a": "1", "b": "3"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if now.Unified["b"] != "2" {
		t.Error("the limits in force were changed in place")
	}
	all := cgroup.Resources{
		CPUShares: 3, CPUQuota: 2000, CPUPeriod: 50000, MemoryLimit: 3 << 20, MemorySwapLimit: 3 << 20, PidsLimit: 6,
		CPUSetCPUs: "1", CPUSetMems: "1", Unified: map[string]string{"c": "1"}, HugepageLimits: map[string]uint64{"1GB": 1},
	}
	if got := mergeResources(cgroup.Resources{}, all); !reflect.DeepEqual(got, all) {
		t.Errorf("a full update made %+v", got)
	}
}

// TestResourcesFieldsAreAllMerged fails when cgroup.Resources gets a field that
// mergeResources forgets.
func TestResourcesFieldsAreAllMerged(t *testing.T) {
	if n := reflect.TypeFor[cgroup.Resources]().NumField(); n != 10 {
		t.Errorf("cgroup.Resources has %d fields, mergeResources knows 10", n)
	}
}
