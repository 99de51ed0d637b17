// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/cgroup"
)

var diskFamilies = []family[subject]{
	onVolume("container_fs_usage_bytes", "What the container has written over its image, in bytes.",
		func(s subject) uint64 { return uint64(max(s.layer.Bytes, 0)) }),
	onVolume("container_fs_limit_bytes", "Size of the file system the container writes to, in bytes.",
		func(s subject) uint64 { return s.volume.bytes }),
	onVolume("container_fs_inodes_total", "Inodes of the file system the container writes to.",
		func(s subject) uint64 { return s.volume.inodes }),
	onVolume("container_fs_inodes_free", "Free inodes of the file system the container writes to.",
		func(s subject) uint64 { return s.volume.inodesFree }),
	perDevice("container_fs_reads_bytes_total", "Bytes read from block devices.",
		func(d cgroup.DeviceIO) uint64 { return d.ReadBytes }),
	perDevice("container_fs_reads_total", "Reads from block devices.",
		func(d cgroup.DeviceIO) uint64 { return d.Reads }),
	perDevice("container_fs_writes_bytes_total", "Bytes written to block devices.",
		func(d cgroup.DeviceIO) uint64 { return d.WriteBytes }),
	perDevice("container_fs_writes_total", "Writes to block devices.",
		func(d cgroup.DeviceIO) uint64 { return d.Writes }),
	{name: "container_blkio_device_usage_total", help: "Bytes read from and written to block devices.", kind: counterMetric,
		labels: []string{"device", "major", "minor", "operation"},
		samples: func(s subject) []sample {
			var list []sample
			for _, d := range s.stats.Devices {
				name, major, minor := deviceName(d.Major, d.Minor), decimal(d.Major), decimal(d.Minor)
				list = append(list,
					sample{[]string{name, major, minor, "Read"}, d.ReadBytes},
					sample{[]string{name, major, minor, "Write"}, d.WriteBytes})
			}
			return list
		}},
	pressed("container_pressure_io_waiting_seconds_total", "Time in which some task waited for a block device, in seconds.",
		func(s subject) (*cgroup.Pressure, bool) { return s.stats.IOPressure, false }),
	pressed("container_pressure_io_stalled_seconds_total", "Time in which all tasks waited for a block device, in seconds.",
		func(s subject) (*cgroup.Pressure, bool) { return s.stats.IOPressure, true }),
}

// onVolume is a metric of the file system that writable layers are on.
func onVolume(name, help string, value func(subject) uint64) family[subject] {
	return family[subject]{name: name, help: help, kind: gaugeMetric, labels: []string{"device"}, samples: func(s subject) []sample {
		return []sample{{[]string{s.volume.device}, value(s)}}
	}}
}

// volume is the file system that the writable layers are on.
type volume struct {
	device                    string // its source, such as /dev/vda1
	bytes, inodes, inodesFree uint64
}

// sources remembers the last answer of source, which reads all of the node's
// mounts. Numbers stand for one device as long as it is mounted.
type sources struct {
	mu     sync.Mutex
	number uint64
	name   string
}

func (m *meter) volume(ctx context.Context) (volume, error) {
	fs, err := m.images.Filesystem(ctx)
	if err != nil {
		return volume{}, err
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(fs.Mountpoint, &stat); err != nil {
		return volume{}, fmt.Errorf("file system %s: %w", fs.Mountpoint, err)
	}
	v := volume{bytes: stat.Blocks * uint64(stat.Bsize), inodes: stat.Files, inodesFree: stat.Ffree}
	v.device, err = m.sources.of(fs.Mountpoint)
	return v, err
}

// of names what is mounted where a directory is.
func (s *sources) of(dir string) (name string, err error) {
	var stat unix.Stat_t
	if err := unix.Stat(dir, &stat); err != nil {
		return "", fmt.Errorf("file system %s: %w", dir, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.name == "" || s.number != stat.Dev {
		if name, err = source(stat.Dev); err != nil {
			return "", err
		}
		s.number, s.name = stat.Dev, name
	}
	return s.name, nil
}

func source(dev uint64) (string, error) {
	major, minor := int(unix.Major(dev)), int(unix.Minor(dev))
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		found := m.Major == major && m.Minor == minor
		return !found, found
	})
	if err != nil || len(mounts) == 0 {
		return deviceName(uint64(major), uint64(minor)), err
	}
	return mounts[0].Source, nil
}

// deviceName is a block device's file, or its numbers where sysfs has no name.
func deviceName(major, minor uint64) string {
	numbers := decimal(major) + ":" + decimal(minor)
	target, err := os.Readlink(filepath.Join("/sys/dev/block", numbers))
	if err != nil {
		return numbers
	}
	return "/dev/" + filepath.Base(target)
}
