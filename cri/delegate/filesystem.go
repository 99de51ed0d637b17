// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// mergeFilesystems adds up what is on one file system, and lists the others after.
func mergeFilesystems(theirs, ours []*runtimeapi.FilesystemUsage) []*runtimeapi.FilesystemUsage {
	list := make([]*runtimeapi.FilesystemUsage, 0, len(theirs)+len(ours))
	for _, fs := range theirs {
		list = append(list, proto.CloneOf(fs)) // the mirror has it too
	}
	for _, own := range ours {
		added := false
		for _, fs := range list[:min(len(list), len(theirs))] {
			if sameFilesystem(fs.GetFsId().GetMountpoint(), own.GetFsId().GetMountpoint()) {
				fs.UsedBytes = sum(fs.GetUsedBytes(), own.GetUsedBytes())
				fs.InodesUsed = sum(fs.GetInodesUsed(), own.GetInodesUsed())
				added = true
				break
			}
		}
		if !added {
			list = append(list, own)
		}
	}
	return list
}

func sum(a, b *runtimeapi.UInt64Value) *runtimeapi.UInt64Value {
	return &runtimeapi.UInt64Value{Value: a.GetValue() + b.GetValue()}
}

// sameFilesystem compares the devices that two directories are on.
func sameFilesystem(a, b string) bool {
	var one, other unix.Stat_t
	return unix.Stat(a, &one) == nil && unix.Stat(b, &other) == nil && one.Dev == other.Dev
}
