// SPDX-License-Identifier: Apache-2.0

// Package lsm finds out what the node's security modules (AppArmor, SELinux) can
// give a container. It is asked before anything is made: what a pod asks for its
// isolation and cannot have is an error in words for its owner.
//
// Errors are errdefs.ErrFailedPrecondition where the node lacks something, and
// errdefs.ErrInvalidArgument for what no node could have.
package lsm
