// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"strings"
	"testing"
)

// TestDNSConfig: a pod resolves as it says.
func TestDNSConfig(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	log := s.run("own", `
dnsPolicy: None
dnsConfig: {nameservers: [192.0.2.1, '2001:db8::1'], searches: [one.example, two.example], options: [{name: ndots, value: "3"}, {name: edns0}]}
containers: [{name: main, image: 'registry.example/probe:1.0', args: [cat, /etc/resolv.conf]}]
`)
	contains(t, "resolv.conf", log, "search one.example two.example\n", "nameserver 192.0.2.1\nnameserver 2001:db8::1\n", "ndots:3", "edns0")
}

// TestHostname: a pod is called by its name, or as it says, and finds itself by it.
func TestHostname(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	const spec = `
containers: [{name: main, image: 'registry.example/probe:1.0', args: [then, cat, /etc/hostname, --, env, HOSTNAME, --, cat, /etc/hosts]}]
`
	for pod, c := range map[string]struct{ extra, want, hosts string }{
		"plain": {"", "plain", "\tplain\n"},
		"named": {"hostname: other\nsubdomain: web\n", "other", "\tother.web." + s.name + ".svc.cluster.local\tother\n"},
	} {
		log := s.run(pod, c.extra+strings.TrimPrefix(spec, "\n"))
		lines := strings.SplitN(log, "\n", 3)
		equal(t, "/etc/hostname and HOSTNAME of "+pod, lines[0]+" "+lines[1], c.want+" "+c.want)
		contains(t, "/etc/hosts of "+pod, log, c.hosts)
	}
}
