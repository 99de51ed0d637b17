// SPDX-License-Identifier: Apache-2.0

// Package install puts Wazelet between the kubelet and the container runtime of a
// node that already runs, and takes it out again. No container is stopped by either:
// containerd and its pods are not touched, only the kubelet is told whom to talk to
// and is started again.
//
// Nothing that belongs to somebody else is edited. What is written is written down
// first, in a manifest beside the configuration; taking out removes exactly that, and
// puts back what was replaced. Every step that has an effect says how it is taken
// back, and until the kubelet has been told, and has come back healthy, a failure
// leaves the node as it was.
//
// The node's file system may be mounted somewhere else, as in the container of an
// installer: every path is one of the node's, below a [Host].
package install
