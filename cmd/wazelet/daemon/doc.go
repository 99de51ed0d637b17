// SPDX-License-Identifier: Apache-2.0

// Package daemon holds what any daemon of a node must do before it serves: own
// its directory alone, and own its socket.
package daemon
