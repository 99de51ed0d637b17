// SPDX-License-Identifier: Apache-2.0

package mixed_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/lab"
)

// webService is a server with a Service in front of it.
const webService = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web-NAME}
spec:
  selector: {matchLabels: {app: web-NAME}}
  template:
    metadata: {labels: {app: web-NAME}}
    spec:
      CLASS
      terminationGracePeriodSeconds: 2
      containers:
      - name: web
        image: WEB
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {periodSeconds: 1, timeoutSeconds: 10, httpGet: {path: /ready, port: http}}
---
apiVersion: v1
kind: Service
metadata: {name: web-NAME}
spec:
  selector: {app: web-NAME}
  ports: [{port: 80, targetPort: http}]
`

// TestServicesAndDNS: servers and clients of each kind find each other by the names of
// Services, in either direction.
func TestServicesAndDNS(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	for _, k := range kinds {
		s.apply(k.fill(webService))
		s.pod("client-"+k.name, k.fill(`
CLASS
restartPolicy: Never
terminationGracePeriodSeconds: 1
containers: [{name: main, image: TOOLS, command: [sh, -c, "sleep 600"]}]`))
	}
	for _, k := range kinds {
		s.rollout("web-" + k.name)
		s.wait("client-"+k.name, lab.Ready)
	}
	var ask, want strings.Builder
	for _, server := range kinds {
		for _, host := range []string{"web-" + server.name, fmt.Sprintf("web-%s.%s.svc.cluster.local", server.name, s.name)} {
			fmt.Fprintf(&ask, "wget -q -O - http://%s/%[1]s || echo no answer of %[1]s; ", host)
			fmt.Fprintf(&want, "hello from /%s\n", host)
		}
	}
	// A name that is not there is told as such, to clients of both kinds.
	ask.WriteString("wget -q -O - http://nobody/ || echo nobody")
	want.WriteString("nobody\n")
	for _, client := range kinds {
		equal(t, "what a client of the kind "+client.name+" gets", s.sh("client-"+client.name, "main", ask.String()), want.String())
	}
	// From the node to a container's server, and on to a Wasm one.
	var service struct{ Spec struct{ ClusterIP string } }
	must(t, cluster.Get(s.ctx, &service, "service", "web-native", "--namespace", s.name))
	to := "http://" + service.Spec.ClusterIP + "/fetch?url=" + url.QueryEscape("http://web-wasm/through")
	equal(t, "a container's server that asks a Wasm one", s.get(to), "hello from /through\n")
}

// TestNetworkOfTheCluster looks at the pods that make Services work: containers, under
// the runtime that Wasm pods have.
func TestNetworkOfTheCluster(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	for _, app := range []string{"kube-proxy", "kube-dns"} {
		var list struct{ Items []lab.Pod }
		must(t, cluster.Get(s.ctx, &list, "pods", "--namespace", "kube-system", "--selector", "k8s-app="+app))
		if len(list.Items) != 1 {
			t.Fatalf("%d pods of %s", len(list.Items), app)
		}
		status := list.Items[0].Status.ContainerStatuses[0]
		id, ours := strings.CutPrefix(status.ContainerID, "wazelet://")
		if _, err := cluster.ContainerdCrictl(s.ctx, "inspect", id); err != nil || !ours {
			t.Errorf("%s is the container %s: %v", app, status.ContainerID, err)
		}
		equal(t, "restarts of "+app, status.RestartCount, 0)
	}
	rules, err := cluster.Command(s.ctx, "iptables-save", "-t", "nat")
	must(t, err)
	contains(t, "the node's rules", rules.Stdout, "KUBE-SERVICES", "default/kubernetes:https")
}
