// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"net"
	"testing"
	"time"

	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/image"
)

// outbound is a pod that asks the server ADDRESS by a name of its hosts file. The
// word NETWORK is its annotation's value.
const outbound = `apiVersion: v1
kind: Pod
metadata:
  name: client
  annotations: {wazelet.dev/network: "NETWORK"}
spec:
  runtimeClassName: wasm
  restartPolicy: Never
  hostAliases: [{ip: ADDRESS, hostnames: [web.example]}]
  containers:
  - name: main
    image: registry.example/outbound/toolbox:1
    command: [wget, -q, -O, "-", "http://web.example:8080/there"]
`

// TestOutbound connects to another pod by a name, unless the pod is not to.
func TestOutbound(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	files := toolboxFiles(t)
	if _, err := cluster.PushFiles(s.ctx, "registry.example/outbound/toolbox:1", image.Config{Env: []string{"PATH=/bin"}}, files...); err != nil {
		t.Fatal(err)
	}
	pod, _ := s.serve("web", "")
	manifest := replace(outbound, "ADDRESS", pod.Status.PodIP)
	s.apply(replace(manifest, "NETWORK", ""))
	equal(t, "what the client got", s.succeeds("client"), "hello from /there\n")
	s.in("delete", "pod", "client", "--wait")
	s.apply(replace(manifest, "NETWORK", "none"))
	s.fails("client", 1)
	contains(t, "what the client says", s.logs("client"), "may open no sockets")
}

// TestAnswersOverUDP are sent by a pod that may do nothing else.
func TestAnswersOverUDP(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply(`apiVersion: v1
kind: Pod
metadata:
  name: udp
  annotations: {wazelet.dev/network: none, wazelet.dev/listen: "udp://:5353"}
spec:
  runtimeClassName: wasm
  restartPolicy: Never
  containers: [{name: main, image: 'registry.example/probe:1.0', args: [udp, "9"]}]
`)
	pod := s.wait("udp", lab.Running)
	conn, err := cluster.Dial(s.ctx, "udp", net.JoinHostPort(pod.Status.PodIP, "5353"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 8)
	if _, err := conn.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(answer); err != nil || string(answer[:n]) != "ping" {
		t.Errorf("the answer is %q, %v", answer[:n], err)
	}
	equal(t, "log", s.succeeds("udp"), "ready\nPermission denied\nsent\n")
}
