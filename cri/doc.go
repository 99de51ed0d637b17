// SPDX-License-Identifier: Apache-2.0

// Package cri serves the Kubernetes Container Runtime Interface, version v1 as
// of k8s.io/cri-api v0.37: gRPC in, domain out.
//
//	kubelet, crictl ── unix socket ─▶ interceptor   request id, log, readiness, panics, error mapping
//	                                      │
//	                                   one method per RPC   podService, containerService, imageService, …
//	                                      │
//	                                   conversion    validate, refuse, convert: pure functions
//	                                      ▼
//	                        runtime · sandbox · imageservice   (which know nothing of CRI)
//
// A method is a few lines: convert the request, call the domain, convert the
// result. Errors travel as errdefs classes and become gRPC codes in one place.
//
// What a request asks for in isolation and a Wasm container cannot be given is
// refused with InvalidArgument and a sentence for the pod's events; what would
// only loosen a container that is confined more tightly anyway (capabilities,
// seccomp Unconfined, the node's PID namespace) is accepted and has no effect.
package cri
