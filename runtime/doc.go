// SPDX-License-Identifier: Apache-2.0

// Package runtime keeps the containers of a node: a container runs in a
// sandbox from an image, as one confined worker process of its own.
//
//	Create ── record ─ root ─ log ─ cgroup ─ worker spawned, module loaded, waits at the gate
//	Start  ── opens the worker's gate
//	Stop   ── SIGTERM, grace period, SIGKILL
//	Remove ── takes back what Create made, newest first
//
// The record of a container is written before anything else of it exists and
// removed after everything else is gone, so that a daemon that was killed at
// any moment finds its way back ([Controller.Recover]). Workers outlive the
// daemon: they write their own logs and exit records.
package runtime
