// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"strings"
	"testing"
)

// TestCommandAndArgs hands the program exactly the words that the pod says.
func TestCommandAndArgs(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	want := []string{`"plain"`, `"two words"`, `""`, `"--flag=ä€\n"`, `"$(UNSET) $HOME *"`, `"value of VALUE"`}
	s.pod("args", `
containers:
- name: main
  image: registry.example/probe:1.0
  args: [args, plain, two words, "", "--flag=ä€\n", "$(UNSET) $HOME *", value of $(VALUE)]
  env: [{name: VALUE, value: VALUE}]
`)
	s.pod("command", `
containers:
- name: main
  image: registry.example/probe:1.0
  command: [/probe.wasm, args, plain, two words]
  args: ["", "--flag=ä€\n", "$(UNSET) $HOME *", value of $(VALUE)]
  env: [{name: VALUE, value: VALUE}]
`)
	// An artifact is the program whatever the command says.
	s.pod("artifact", `
containers:
- name: main
  image: registry.example/probe-module:1.0
  command: [any-name, args, plain, two words]
  args: ["", "--flag=ä€\n", "$(UNSET) $HOME *", value of $(VALUE)]
  env: [{name: VALUE, value: VALUE}]
`)
	for _, pod := range []string{"args", "command", "artifact"} {
		equal(t, "arguments of "+pod, s.succeeds(pod), strings.Join(want, "\n")+"\n")
	}
}

// TestEnvironment has variables from every source that Kubernetes knows.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply(`
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: green, size: large}
---
apiVersion: v1
kind: Secret
metadata: {name: credentials}
stringData: {password: swordfish, USER: jonah}
---
apiVersion: v1
kind: Service
metadata: {name: backend}
spec: {ports: [{port: 8080}], clusterIP: 10.96.7.7}
`)
	s.apply(`
apiVersion: v1
kind: Pod
metadata:
  name: env
  labels: {tier: front}
  annotations: {note: "two\nlines"}
spec:
  runtimeClassName: wasm
  restartPolicy: Never
  containers:
  - name: main
    image: registry.example/probe:1.0
    args: [env, PLAIN, EMPTY, EXPANDED, COLOUR, PASSWORD, S_size, USER, NAME, NAMESPACE, NODE, ACCOUNT, LABEL, NOTE, CPU, MEMORY,
      BACKEND_SERVICE_HOST, BACKEND_SERVICE_PORT, KUBERNETES_SERVICE_HOST, IP, UID, HOSTNAME]
    resources: {limits: {cpu: 500m, memory: 128Mi}}
    envFrom:
    - {prefix: S_, configMapRef: {name: settings}}
    - secretRef: {name: credentials}
    env:
    - {name: PLAIN, value: a value}
    - {name: EMPTY, value: ""}
    - {name: EXPANDED, value: $(PLAIN)!}
    - {name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: credentials, key: password}}}
    - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
    - {name: UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: ACCOUNT, valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}}
    - {name: LABEL, valueFrom: {fieldRef: {fieldPath: "metadata.labels['tier']"}}}
    - {name: NOTE, valueFrom: {fieldRef: {fieldPath: "metadata.annotations['note']"}}}
    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}
    - {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory}}}
`)
	log := s.succeeds("env")
	pod, err := cluster.Pod(s.ctx, s.name, "env")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a value", "", "a value!", "green", "swordfish", "large", "jonah", "env", s.name, cluster.Node(), "default", "front", "two\nlines",
		"500", "134217728", "10.96.7.7", "8080", "10.96.0.1", pod.Status.PodIP, pod.Metadata.UID, "env",
	}
	equal(t, "values", log, strings.Join(want, "\n")+"\n")
}

// TestWorkingDir is where relative paths start.
func TestWorkingDir(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	log := s.run("cwd", `
containers:
- name: main
  image: registry.example/probe:1.0
  workingDir: /work
  args: [then, pwd, --, write, note, here, --, cat, /work/note, --, cat, ../work/note]
  volumeMounts: [{name: work, mountPath: /work}]
volumes: [{name: work, emptyDir: {}}]
`)
	equal(t, "log", log, "/work\nherehere\n")
}
