// SPDX-License-Identifier: Apache-2.0

// Package integration is the end-to-end suite: black-box tests of the built
// wazelet binary, on a real control plane with an unmodified kubelet, a registry
// and the CNI plugins (package lab), and on the daemon alone through CRI.
//
// The package holds tests only. They share one cluster, which TestMain brings up
// and takes down, and each has a namespace of its own in it. Tests that restart a
// daemon or look for leaks run first and alone; the others run in parallel after
// them. When the last one is done, TestMain looks for anything left behind.
//
//	make test-e2e                                   all of it, as root
//	make test-e2e E2EFLAGS='-run TestLogs -v'       some of it
package integration
