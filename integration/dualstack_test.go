// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/lab"
)

// podNetv6 is the IPv6 range of the laboratory's bridge network.
var podNetv6 = netip.MustParsePrefix("2001:db8:88::/64")

// dualHostPort is the port of the node that leads to the server of TestDualStack.
const dualHostPort = "28081"

// dualStack is a server whose readiness is asked for over IPv6, at the node's
// address HOST, and whose life over IPv4, at its own.
const dualStack = `apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  runtimeClassName: wasm
  containers:
  - name: main
    image: registry.example/web:1.0
    ports: [{name: http, containerPort: 8080, hostPort: 28081}]
    readinessProbe: {httpGet: {host: 'HOST', path: /ready, port: 28081}, periodSeconds: 1}
    livenessProbe: {httpGet: {path: /alive, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  ipFamilyPolicy: RequireDualStack
  selector: {app: web}
  ports: [{port: 80, targetPort: http}]
`

// TestDualStack: a pod on a network of both families has an address of each, IPv4
// first, and its server is reached by both: from the node and by a port of it, by
// probes, from another pod, and by Services. A forwarded port leads to it too.
func TestDualStack(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply(replace(dualStack, "HOST", cluster.NodeIPv6()))
	s.pod("client", "containers: [{name: main, image: 'registry.example/tiny/pause:1.0'}]")
	pod := s.wait("web", lab.Ready)
	s.wait("client", lab.Ready)
	ips := addresses(t, pod)
	for _, ip := range append(slices.Clone(ips), "127.0.0.1", "::1") {
		url := "http://" + net.JoinHostPort(ip, "8080") + "/" + ip
		from := "client"
		if netip.MustParseAddr(ip).IsLoopback() {
			from = "web"
		} else if body, err := get(s.ctx, labClient(t, 1), url); err != nil || body != "hello from /"+ip+"\n" {
			t.Errorf("%s answers the node %q, %v", url, body, err)
		}
		got := s.kubectl("exec", "--namespace", s.name, from, "--", "wget", "-q", "-O", "-", url)
		equal(t, url+" asked by "+from, got, "hello from /"+ip+"\n")
	}
	for _, ip := range []string{cluster.NodeIP(), cluster.NodeIPv6()} {
		body, err := get(s.ctx, labClient(t, 1), "http://"+net.JoinHostPort(ip, dualHostPort)+"/node")
		if err != nil || body != "hello from /node\n" {
			t.Errorf("the node's address %s answers %q, %v", ip, body, err)
		}
	}
	forwarded := s.forward("web", "8080")
	if body, err := get(s.ctx, labClient(t, 1), "http://"+forwarded.address+"/far"); err != nil || body != "hello from /far\n" {
		t.Errorf("the forwarded port answers %q, %v", body, err)
	}
	s.endpoints("web", ips)
	equal(t, "restarts", s.wait("web", lab.Ready).Container("main").RestartCount, 0)
	contains(t, "/etc/hosts", s.kubectl("exec", "--namespace", s.name, "web", "--", "cat", "/etc/hosts"), ips...)
}

// addresses returns a pod's two addresses, as its status has them.
func addresses(t *testing.T, pod *lab.Pod) []string {
	t.Helper()
	if len(pod.Status.PodIPs) != 2 || pod.Status.PodIPs[0].IP != pod.Status.PodIP {
		t.Fatalf("the pod has the addresses %v and the address %s", pod.Status.PodIPs, pod.Status.PodIP)
	}
	var ips []string
	for i, network := range []netip.Prefix{podNet, podNetv6} {
		ip, err := netip.ParseAddr(pod.Status.PodIPs[i].IP)
		if err != nil || !network.Contains(ip) {
			t.Errorf("address %d is %q, want one of %s", i, pod.Status.PodIPs[i].IP, network)
		}
		ips = append(ips, ip.String())
	}
	equal(t, "addresses of the node", fmt.Sprint(pod.Status.HostIPs), fmt.Sprintf("[{%s} {%s}]", cluster.NodeIP(), cluster.NodeIPv6()))
	return ips
}

// TestFamiliesOfANetwork: a pod's status has its addresses in the order in which
// the network gave them, and on a network without IPv4 its server is reached all
// the same.
func TestFamiliesOfANetwork(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, ipam string
		ips        []string
	}{
		{"six-four", `"ranges": [[{"subnet": "2001:db8:99::/64"}], [{"subnet": "10.99.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]`,
			[]string{"2001:db8:99::2", "10.99.0.2"}},
		{"six", `"ranges": [[{"subnet": "2001:db8:98::/64"}]], "routes": [{"dst": "::/0"}]`, []string{"2001:db8:98::2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.write("cni/10-net.conflist", fmt.Sprintf(`{
  "cniVersion": "1.0.0", "name": "net", "plugins": [{
    "type": "bridge", "bridge": %q, "isGateway": true, "ipam": {"type": "host-local", "dataDir": "%s/leases", %s}
  }]
}`, tt.name, n.dir, tt.ipam))
			status, err := n.runtime().PodSandboxStatus(n.ctx, &runtimeapi.PodSandboxStatusRequest{PodSandboxId: n.serve("web")})
			if err != nil {
				t.Fatal(err)
			}
			network := status.GetStatus().GetNetwork()
			ips := []string{network.GetIp()}
			for _, more := range network.GetAdditionalIps() {
				ips = append(ips, more.GetIp())
			}
			equal(t, "addresses", fmt.Sprint(ips), fmt.Sprint(tt.ips))
			for _, ip := range ips {
				body, err := get(n.ctx, labClient(t, 1), "http://"+net.JoinHostPort(ip, "8080")+"/")
				if err != nil || body != "hello from /\n" {
					t.Errorf("%s answers %q, %v", ip, body, err)
				}
			}
		})
	}
}

// serve starts a server that has declared its port, and returns its sandbox.
func (n *node) serve(name string) (sandbox string) {
	n.t.Helper()
	n.pull("registry.example/web:1.0")
	config := n.sandboxConfig(name)
	sandbox = n.sandbox(config)
	request := n.containerRequest(sandbox, config, "web", "registry.example/web:1.0")
	request.Config.Annotations = map[string]string{"io.kubernetes.container.ports": `[{"name":"http","containerPort":8080,"protocol":"TCP"}]`}
	if _, err := n.runtime().StartContainer(n.ctx, &runtimeapi.StartContainerRequest{ContainerId: n.create(request)}); err != nil {
		n.t.Fatal(err)
	}
	return sandbox
}
