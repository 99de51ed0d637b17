// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/lab"
)

// fetcher is a pod that makes the requests ARGS by host functions. ADDRESS is a web
// server's, which has a name, and NODE that of the API server.
const fetcher = `apiVersion: v1
kind: Pod
metadata:
  name: fetcher
  annotations: {ANNOTATIONS}
spec:
  runtimeClassName: wasm
  restartPolicy: Never
  hostAliases:
  - {ip: ADDRESS, hostnames: [web.example, other.example]}
  - {ip: NODE, hostnames: [kubernetes.default.svc]}
  containers:
  - name: main
    image: registry.example/IMAGE:1.0
    args: ARGS
    EXTRA
`

// fetcher fills the pod in and applies it.
func (s *space) fetcher(image, address, annotations, extra string, args ...string) {
	s.t.Helper()
	list, err := json.Marshal(args)
	if err != nil {
		s.t.Fatal(err)
	}
	s.apply(strings.NewReplacer("IMAGE", image, "ADDRESS", address, "NODE", cluster.NodeIP(),
		"ANNOTATIONS", annotations, "ARGS", string(list), "EXTRA", extra).Replace(fetcher))
}

const greeting = "200 text/plain; charset=utf-8 hello from /there\n"

// TestKrustletOutboundHTTP: a program asks a server by host functions, where its pod's
// annotations allow it, and no more at once than they say.
func TestKrustletOutboundHTTP(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	pod, _ := s.serve("web", "")
	// As with Krustlet, only the host counts of what is allowed.
	s.fetcher("fetch-module", pod.Status.PodIP,
		`alpha.wasi.krustlet.dev/allowed-domains: '["https://web.example"]', alpha.wasi.krustlet.dev/max-concurrent-requests: "2"`, "",
		"GET http://web.example:8080/there",
		"POST http://web.example:8080/there hello",
		"GET http://other.example:8080/there",
		"GET http://"+net.JoinHostPort(pod.Status.PodIP, "8080")+"/there",
		"GET nowhere",
		"GET http://web.example:8081/",
		"hold http://web.example:8080/there",
		"GET http://web.example:8080/there",
		"hold http://web.example:8080/there",
		"GET http://web.example:8080/there",
	)
	const notAllowed, invalid, failed, tooMany = "error 7\n", "error 10\n", "error 11\n", "error 13\n"
	want := greeting + greeting + notAllowed + notAllowed + invalid + failed + "200\n" + greeting + "200\n" + tooMany
	s.succeeds("fetcher")
	log := s.logs("fetcher")
	var said, told strings.Builder
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, "HTTP ") {
			told.WriteString(line)
		} else {
			said.WriteString(line)
		}
	}
	equal(t, "what the program got", said.String(), want)
	contains(t, "what it is told in the log", told.String(),
		"HTTP request http://other.example:8080/there: its destination is not allowed\n",
		"HTTP GET http://web.example:8081/: dial tcp "+pod.Status.PodIP+":8081: connect: connection refused\n")
}

// TestOutboundHTTPS asks the API server with what the container trusts: a file that a
// variable names, or the usual one; and not the node's where the image has files.
func TestOutboundHTTPS(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	const url = "https://kubernetes.default.svc:6443"
	const allowed = "wazelet.dev/outbound-http: '" + url + "'"
	const ask = "GET " + url + "/version"
	for name, c := range map[string]struct {
		image, extra string
		want         []string
	}{
		"a variable": {"fetch", "env: [{name: SSL_CERT_FILE, value: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt}]", []string{"200 application/json {"}},
		"a mount": {"fetch-module", `volumeMounts: [{name: ca, mountPath: /etc/ssl/certs}]
  volumes: [{name: ca, configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca-certificates.crt}]}}]`, []string{"200 application/json {"}},
		"nothing":            {"fetch", "", []string{"error 11\n", "certificate", "no such file"}},
		"what the node does": {"fetch-module", "", []string{"error 11\n", "certificate"}},
	} {
		s.fetcher(c.image, "192.0.2.1", allowed, c.extra, ask, "GET http://kubernetes.default.svc:6443/version", "size /etc/ssl/certs/ca-certificates.crt")
		s.succeeds("fetcher")
		contains(t, name, s.logs("fetcher"), append(c.want, "error 7\n")...)
		s.in("delete", "pod", "fetcher", "--wait")
	}
}

// TestOutboundHTTPIsRefused to whom it is not granted, and in a pod without outbound
// access to everybody.
func TestOutboundHTTPIsRefused(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	pod, _ := s.serve("web", "")
	const ask = "GET http://web.example:8080/there"
	for name, annotations := range map[string]string{
		"nothing said":    "",
		"none":            "wazelet.dev/outbound-http: none",
		"another's":       "wazelet.dev/outbound-http.side: '*'",
		"no network":      "wazelet.dev/network: none, wazelet.dev/outbound-http: '*'",
		"another network": `wazelet.dev/network: none, alpha.wasi.krustlet.dev/allowed-domains: '["insecure:allow-all"]'`,
	} {
		s.fetcher("fetch", pod.Status.PodIP, annotations, "", ask)
		s.succeeds("fetcher")
		contains(t, name, s.logs("fetcher"), "error 7\n", "its destination is not allowed")
		s.in("delete", "pod", "fetcher", "--wait")
	}
	s.fetcher("fetch", pod.Status.PodIP, "wazelet.dev/outbound-http: 'ftp://web.example'", "", ask)
	s.event("fetcher", "Failed", "wazelet.dev/outbound-http", "ftp://web.example", "the scheme must be http or https")
}

// TestOutboundHTTPOfCommands and of modules that run once per request.
func TestOutboundHTTPOfCommands(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	pod, client := s.serve("web", "")
	s.fetcher("fetch", pod.Status.PodIP, "wazelet.dev/outbound-http: 'http://web.example:8080'", "", "pause")
	s.wait("fetcher", lab.Running)
	command := func(request string) string {
		return s.kubectl("exec", "--namespace", s.name, "fetcher", "--", "/fetch.wasm", request)
	}
	equal(t, "a command", command("GET http://web.example:8080/there"), greeting)
	equal(t, "a command that may not", command("GET http://other.example:8080/there"), "error 7\n")
	s.in("delete", "pod", "fetcher", "--wait", "--grace-period=1")

	s.fetcher("fetch", pod.Status.PodIP, "wazelet.dev/http: wagi, wazelet.dev/outbound-http: web.example, wazelet.dev/outbound-http-concurrency: '1'",
		`ports: [{name: http, containerPort: 8080}]
    env: [{name: TARGET, value: 'http://web.example:8080/there'}]
    readinessProbe: {tcpSocket: {port: http}}`)
	gateway := s.wait("fetcher", lab.Ready)
	for range 5 { // each gives back what it took
		body, err := get(s.ctx, client, "http://"+net.JoinHostPort(gateway.Status.PodIP, "8080")+"/")
		if err != nil || body != greeting {
			t.Errorf("the gateway answers %q, %v", body, err)
		}
	}
}

// TestOnlyRequestsLinkAClient: who may make none runs in the ordinary worker.
func TestOnlyRequestsLinkAClient(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	for annotations, want := range map[string]string{"": "wazelet-worker", "wazelet.dev/outbound-http: web.example": "wazelet-worker-http"} {
		s.fetcher("fetch", "192.0.2.1", annotations, "", "pause")
		pod := s.wait("fetcher", lab.Running)
		program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", workerPid(t, containerID(t, pod, "main"))))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "the worker", filepath.Base(program), want)
		s.in("delete", "pod", "fetcher", "--wait", "--grace-period=1")
	}
}
