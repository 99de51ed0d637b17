// SPDX-License-Identifier: Apache-2.0

// Package network gives pods their network through the node's CNI plugins.
//
// An [Attachment] is all that is needed to attach a pod and to detach it again:
// the sandbox writes it down before the plugins run, so that a pod is detached
// by the configuration it was attached with, whatever became of the node's
// files and of this daemon since.
//
// libcni (github.com/containernetworking/cni) runs the plugins. Its result
// cache lies in a directory of our own; go-cni, the wrapper around it, has no
// way to name one, nor to detach a pod whose network is no longer configured.
package network
