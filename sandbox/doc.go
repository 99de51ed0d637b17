// SPDX-License-Identifier: Apache-2.0

// Package sandbox keeps the pods' shared environments: a network namespace on
// the node's CNI network, a cgroup where the caller has none, the files hosts,
// hostname and resolv.conf, and a record of it all. A sandbox has no process;
// without containers it costs the node no more than that.
//
//	Create ── record ─ cgroup ─ directory ─ network namespace ─ CNI ADD ─ sysctls ─ files
//	Stop   ── CNI DEL ─ network namespace
//	Remove ── what is left, the record last
//
// The record is written before anything else is made and removed after
// everything else is gone. So a daemon that was killed at any moment finds in
// the records all that may exist, and [Controller.Recover] takes back what was
// half made.
//
// Operations are joined and detached: a second call with the same purpose waits
// for the first one's result, and a caller that gives up does not stop an
// operation, so that its retry finds it further on. Reads never wait for one.
package sandbox
