// SPDX-License-Identifier: Apache-2.0

// Package cgroup puts processes under resource limits and reads what they use.
// It serves cgroup v1, v2 and the hybrid of both, managed as plain directories
// or by systemd, through github.com/opencontainers/cgroups, the library the
// kubelet itself uses.
//
// The kubelet makes a cgroup per pod and names it in each request; a container
// gets a [Group] of its own below it, under the name from which cAdvisor reads
// the container's id:
//
//	cgroupfs  /kubepods/burstable/pod<uid>/<id>
//	systemd   /kubepods.slice/…/kubepods-burstable-pod<uid>.slice/wazelet-<id>.scope
//
// Pods of a caller that names no cgroup get one below the [Tree]'s root.
package cgroup
