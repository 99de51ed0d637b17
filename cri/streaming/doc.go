// SPDX-License-Identifier: Apache-2.0

// Package streaming serves the streams that the kubelet opens into pods beside
// CRI: kubectl port-forward, over SPDY and WebSocket.
//
//	kubectl ─▶ API server ─▶ kubelet ── CRI: PortForward ─▶ URL with a single-use token
//	                            └────── GET that URL ─────▶ Server (loopback)
//	                                                          └ forwarder ─▶ 127.0.0.1:port in the pod
//
// k8s.io/cri-streaming speaks the protocols and keeps the tokens. This package
// listens for it, leads its streams to where they belong, and sees to it that
// all of them end: with either side, with the sandbox, with the daemon.
//
// The server asks nobody who they are. A token of 48 random bits, good for one
// use within a minute, is the only key, and nothing is encrypted; so it listens
// on loopback only, and the kubelet is what users authenticate to.
package streaming
