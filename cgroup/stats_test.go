// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"reflect"
	"testing"

	"github.com/opencontainers/cgroups"
)

func TestDevicesAreCountedOnce(t *testing.T) {
	entry := func(minor uint64, op string, value uint64) cgroups.BlkioStatEntry {
		return cgroups.BlkioStatEntry{Major: 254, Minor: minor, Op: op, Value: value}
	}
	got := devices(cgroups.BlkioStats{
		IoServiceBytesRecursive: []cgroups.BlkioStatEntry{
			entry(0, "Read", 100), entry(0, "Write", 200), entry(0, "Sync", 100), entry(0, "Total", 300), entry(1, "Read", 7),
		},
		IoServicedRecursive: []cgroups.BlkioStatEntry{entry(0, "Read", 3), entry(0, "Write", 2), entry(0, "Total", 5)},
	})
	want := []DeviceIO{
		{Major: 254, Minor: 0, ReadBytes: 100, WriteBytes: 200, Reads: 3, Writes: 2},
		{Major: 254, Minor: 1, ReadBytes: 7},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestUnifiedMemory reads what version 2 calls by other names.
func TestUnifiedMemory(t *testing.T) {
	raw := cgroups.NewStats()
	raw.MemoryStats.Usage = cgroups.MemoryData{Usage: 1000, MaxUsage: 1500, Limit: 4000}
	raw.MemoryStats.Stats = map[string]uint64{"file": 500, "file_mapped": 40, "active_file": 60, "inactive_file": 440, "kernel": 90}
	raw.HugetlbStats["2MB"] = cgroups.HugetlbStats{Usage: 2 << 20}
	s := fromLibrary(raw, true)
	want := MemoryDetail{Cache: 500, MappedFile: 40, ActiveFile: 60, InactiveFile: 440, Kernel: 90, Peak: 1500}
	if s.MemoryDetail != want || s.Hugepages["2MB"].Usage != 2<<20 {
		t.Errorf("%+v", s)
	}
}
