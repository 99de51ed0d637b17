// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"net/url"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func TestPortForwardGivesALoopbackURLForReadyPods(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	id := n.run(n.pod("p"))
	seen := map[string]bool{}
	for _, name := range []string{id, id[:12], id} {
		resp, err := n.runtime.PortForward(ctx, &runtimeapi.PortForwardRequest{PodSandboxId: name, Port: []int32{8080}})
		must(t, err)
		u, err := url.Parse(resp.GetUrl())
		must(t, err)
		if u.Scheme != "http" || u.Hostname() != "127.0.0.1" || u.Port() == "0" || !strings.HasPrefix(u.Path, "/portforward/") {
			t.Errorf("%s: the URL is %s", name, u)
		}
		if seen[u.Path] {
			t.Errorf("%s was given twice", u)
		}
		seen[u.Path] = true
	}
	must(t, n.runtime.StopPodSandbox(ctx, id))
	for name, tt := range map[string]struct {
		id    string
		ports []int32
		code  codes.Code
		want  string
	}{
		"unknown":        {"0123", nil, codes.NotFound, "sandbox 0123"},
		"stopped":        {id, nil, codes.FailedPrecondition, "sandbox " + id + ": has been stopped"},
		"no id":          {"", nil, codes.InvalidArgument, "pod_sandbox_id: required"},
		"port 0":         {id, []int32{80, 0}, codes.InvalidArgument, "port[1]: 0 is not a port"},
		"port 65536":     {id, []int32{65536}, codes.InvalidArgument, "port[0]: 65536 is not a port"},
		"too many ports": {id, make([]int32, 129), codes.InvalidArgument, "port: 129 ports are more than 128"},
	} {
		_, err := n.runtime.PortForward(ctx, &runtimeapi.PortForwardRequest{PodSandboxId: tt.id, Port: tt.ports})
		if s := status.Convert(err); s.Code() != tt.code || !strings.Contains(s.Message(), tt.want) {
			t.Errorf("%s: %s %q, want %s and %q", name, s.Code(), s.Message(), tt.code, tt.want)
		}
	}
}
