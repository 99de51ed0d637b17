// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/lab"
)

// The cases below are those of Krustlet's own end-to-end suite, in its order and
// with its programs. Those of a device plugin, a CSI driver and a claim are in
// plugins_test.go, with their parts, that of outbound HTTP in outbound_http_test.go.

// TestKrustletNode: the node says what it can run. Krustlet's was a node of an
// architecture of its own; this is an ordinary one that has a handler for Wasm.
func TestKrustletNode(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	node := s.kubectl("get", "node", cluster.Node(), "-o",
		"jsonpath={.status.nodeInfo.containerRuntimeVersion} {.status.runtimeHandlers[*].name} {.status.nodeInfo.operatingSystem}")
	if !strings.HasPrefix(node, "wazelet://") || !strings.Contains(node+" ", " wasm ") || !strings.HasSuffix(node, " linux") {
		t.Errorf("the node has %q", node)
	}
}

// TestKrustletLogsAndMounts: a program with a secret, a configMap and a folder of
// the node.
func TestKrustletLogsAndMounts(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.in("create", "secret", "generic", "hello-wasm-secret", "--from-literal=myval=a cool secret")
	s.in("create", "configmap", "hello-wasm-configmap", "--from-literal=myval=a cool configmap")
	dir := s.hostDir()
	log := s.run("hello-wasm", `
containers:
- name: hello-wasm
  image: registry.example/wasmerciser-module:1.0
  args:
  - assert_value(file:/foo/myval)is(lit:a cool secret)
  - assert_value(file:/bar/myval)is(lit:a cool configmap)
  - write(lit:left behind)to(file:/baz/note)
  - write(lit:Hello, world!)to(stm:stdout)
  volumeMounts:
  - {name: secret-test, mountPath: /foo}
  - {name: configmap-test, mountPath: /bar}
  - {name: storage-test, mountPath: /baz}
volumes:
- {name: storage-test, hostPath: {path: `+dir+`}}
- {name: secret-test, secret: {secretName: hello-wasm-secret}}
- {name: configmap-test, configMap: {name: hello-wasm-configmap}}
`)
	equal(t, "log", log, "Hello, world!\n")
	equal(t, "exit code", terminated(t, s.wait("hello-wasm", lab.Succeeded), "hello-wasm").ExitCode, 0)
	equal(t, "file of the node", readFile(t, filepath.Join(dir, "note")), "left behind")
}

const multiValues = `
apiVersion: v1
kind: Secret
metadata: {name: multi}
stringData: {one: secret 1, two: secret 2, three: secret 3}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: multi}
data: {one: map 1, two: map 2, three: map 3}
`

// TestKrustletMultiValues: all keys of a secret and of a configMap are files.
func TestKrustletMultiValues(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply(multiValues)
	s.run("reader", `
containers:
- name: main
  image: registry.example/wasmerciser:1.0
  args:
  - assert_value(file:/secret/one)is(lit:secret 1)
  - assert_value(file:/secret/two)is(lit:secret 2)
  - assert_value(file:/secret/three)is(lit:secret 3)
  - assert_value(file:/map/one)is(lit:map 1)
  - assert_value(file:/map/two)is(lit:map 2)
  - assert_value(file:/map/three)is(lit:map 3)
  volumeMounts: [{name: secret, mountPath: /secret}, {name: map, mountPath: /map}]
volumes: [{name: secret, secret: {secretName: multi}}, {name: map, configMap: {name: multi}}]
`)
}

// TestKrustletIndividualValues: chosen keys under other names, and no others.
func TestKrustletIndividualValues(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply(multiValues)
	s.run("reader", `
containers:
- name: main
  image: registry.example/wasmerciser:1.0
  args:
  - assert_value(file:/secret/uno)is(lit:secret 1)
  - assert_value(file:/secret/two)is(lit:secret 2)
  - assert_not_exists(file:/secret/one)
  - assert_not_exists(file:/secret/three)
  - assert_value(file:/map/sub/tres)is(lit:map 3)
  - assert_not_exists(file:/map/one)
  - assert_not_exists(file:/map/three)
  volumeMounts: [{name: secret, mountPath: /secret}, {name: map, mountPath: /map}]
volumes:
- {name: secret, secret: {secretName: multi, items: [{key: one, path: uno}, {key: two, path: two}]}}
- {name: map, configMap: {name: multi, items: [{key: three, path: sub/tres}]}}
`)
}

// TestKrustletContainerArgs: the log shows the arguments.
func TestKrustletContainerArgs(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	log := s.run("hello", "containers: [{name: main, image: 'registry.example/hello-module:1.0', args: [arg1, arg2]}]")
	contains(t, "log", log, `Args are: ["arg1" "arg2"]`)
}

// TestKrustletContainerLogging: two containers have a log each.
func TestKrustletContainerLogging(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("fronds", `
containers:
- {name: floofycat, image: 'registry.example/wasmerciser:1.0', args: ["write(lit:slats)to(stm:stdout)"]}
- {name: neatcat, image: 'registry.example/wasmerciser-module:1.0', args: ["write(lit:kiki)to(stm:stdout)"]}
`)
	s.succeeds("fronds")
	equal(t, "log of floofycat", s.logs("fronds", "--container=floofycat"), "slats\n")
	equal(t, "log of neatcat", s.logs("fronds", "--container=neatcat"), "kiki\n")
}

// TestKrustletExitingWithError: the status says failed, the log says why.
func TestKrustletExitingWithError(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("faily", "containers: [{name: main, image: 'registry.example/wasmerciser:1.0', args: ['assert_exists(file:/nope.nope.nope.txt)']}]")
	equal(t, "reason", s.fails("faily", 1).Reason, "Error")
	contains(t, "log", s.logs("faily"), "ERR: assert_exists(file:/nope.nope.nope.txt)")
	equal(t, "pod", s.wait("faily", lab.Failed).Status.Phase, "Failed")
}

// initPod has two init containers that hand a folder of the node down. The second
// one does what it is told.
func initPod(dir, second string) string {
	return fmt.Sprintf(`
initContainers:
- name: init-1
  image: registry.example/wasmerciser:1.0
  args: ["write(lit:slats)to(file:/hp/floofycat.txt)"]
  volumeMounts: [{name: hp, mountPath: /hp}]
- name: init-2
  image: registry.example/wasmerciser:1.0
  args: ["%s"]
  volumeMounts: [{name: hp, mountPath: /hp}]
containers:
- name: app
  image: registry.example/wasmerciser:1.0
  args:
  - assert_value(file:/hp/floofycat.txt)is(lit:slats)
  - read(file:/hp/neatcat.txt)to(var:neatcat)
  - write(var:neatcat)to(stm:stdout)
  volumeMounts: [{name: hp, mountPath: /hp}]
volumes: [{name: hp, hostPath: {path: %s}}]
`, second, dir)
}

// TestKrustletInitContainers: the program reads what the init containers wrote,
// and each is listed where it belongs.
func TestKrustletInitContainers(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("init", initPod(s.hostDir(), "write(lit:kiki)to(file:/hp/neatcat.txt)"))
	s.succeeds("init")
	equal(t, "log", s.logs("init"), "kiki\n")
	p := s.wait("init", lab.Succeeded)
	equal(t, "init statuses", len(p.Status.InitContainerStatuses), 2)
	equal(t, "container statuses", len(p.Status.ContainerStatuses), 1)
	for _, name := range []string{"init-1", "init-2", "app"} {
		equal(t, "reason of "+name, terminated(t, p, name).Reason, "Completed")
	}
}

// TestKrustletFailingInitContainers: the pod fails with the init container, whose
// log can be read; and, which Krustlet's did not assert, the program does not run.
func TestKrustletFailingInitContainers(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("init", initPod(s.hostDir(), "assert_exists(file:/hp/nope)"))
	p := s.wait("init", lab.Failed)
	equal(t, "exit code", terminated(t, p, "init-2").ExitCode, 1)
	contains(t, "log of init-2", s.logs("init", "--container=init-2"), "ERR: assert_exists(file:/hp/nope)")
	if app := p.Container("app"); app.State.Waiting == nil || app.ContainerID != "" {
		t.Errorf("app: %+v, want waiting", app.State)
	}
}

// TestKrustletPrivateRegistry: two containers from a registry that wants a
// password.
func TestKrustletPrivateRegistry(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	floofycat, neatcat := lab.PrivateRegistry+"/cats/floofycat:1", lab.PrivateRegistry+"/cats/neatcat:1"
	s.pushHello(floofycat, "slats\n", false)
	s.pushHello(neatcat, "kiki\n", true)
	s.in("create", "secret", "docker-registry", "registry-creds", "--docker-server="+lab.PrivateRegistry,
		"--docker-username="+lab.RegistryUser, "--docker-password="+lab.RegistryPassword)
	s.pod("private", fmt.Sprintf(`
imagePullSecrets: [{name: registry-creds}]
containers:
- {name: floofycat, image: '%s'}
- {name: neatcat, image: '%s'}
`, floofycat, neatcat))
	s.succeeds("private")
	equal(t, "log of floofycat", s.logs("private", "--container=floofycat"), "slats\n")
	equal(t, "log of neatcat", s.logs("private", "--container=neatcat"), "kiki\n")
}

// TestKrustletProjected: token, configMap, secret and downward API in one volume.
func TestKrustletProjected(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply(multiValues)
	s.run("projected", `
containers:
- name: main
  image: registry.example/wasmerciser:1.0
  args:
  - assert_exists(file:/projected/token)
  - assert_value(file:/projected/mapped)is(lit:map 1)
  - assert_value(file:/projected/secret)is(lit:secret 2)
  - assert_value(file:/projected/name)is(lit:projected)
  volumeMounts: [{name: all, mountPath: /projected}]
volumes:
- name: all
  projected:
    sources:
    - serviceAccountToken: {path: token}
    - configMap: {name: multi, items: [{key: one, path: mapped}]}
    - secret: {name: multi, items: [{key: two, path: secret}]}
    - downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}
`)
}
