// SPDX-License-Identifier: Apache-2.0

// Package install tests that Wazelet is put on a node that runs containers, and taken
// off it, as an administrator does: a real kubelet under a real systemd, and a real
// containerd, whose containers must not notice.
package install
