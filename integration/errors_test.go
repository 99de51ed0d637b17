// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"path/filepath"
	"testing"
)

// TestErrors are what a user reads in a pod's events when it cannot run: what is
// wrong with which object.
func TestErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		image  string
		reason string
		texts  []string
	}{
		"missing image":           {"nowhere/at-all:1", "Failed", []string{"registry.example/nowhere/at-all:1", "not found"}},
		"missing tag":             {"probe:9.9", "Failed", []string{"registry.example/probe:9.9", "not found"}},
		"native program":          {"files/native:1.0", "Failed", []string{"/main", "not a WebAssembly module", "ELF"}},
		"text as artifact":        {"tiny/text:1.0", "Failed", []string{"registry.example/tiny/text:1.0", "not a WebAssembly"}},
		"truncated module":        {"tiny/truncated:1.0", "Failed", []string{"malformed"}},
		"component in files":      {"files/component:1.0", "Failed", []string{"/main.wasm", "component"}},
		"component as artifact":   {"tiny/component:1.0", "Failed", []string{"component"}},
		"missing import in files": {"files/import:1.0", "Failed", []string{"/main.wasm", "import", "env.nowhere"}},
		"missing import":          {"tiny/import:1.0", "Failed", []string{"import", "env.nowhere"}},
		"library":                 {"tiny/library:1.0", "Failed", []string{"_start"}},
		"no command":              {"files/nothing:1.0", "Failed", []string{"no entrypoint", "no command"}},
		"two layers":              {"odd/two-layers:1.0", "Failed", []string{"registry.example/odd/two-layers:1.0", "2", "layers"}},
		"not an image":            {"odd/recipe:1.0", "Failed", []string{"application/vnd.example.recipe.v1+json"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSpace(t)
			s.pod("broken", "containers: [{name: main, image: 'registry.example/"+c.image+"'}]")
			s.event("broken", c.reason, c.texts...)
		})
	}
}

// TestUnknownHandler names the handler that this node does not have.
func TestUnknownHandler(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply("{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: nowhere}, handler: not-here}")
	t.Cleanup(func() { s.kubectl("delete", "runtimeclass", "nowhere") })
	s.pod("lost", "runtimeClassName: nowhere\ncontainers: [{name: main, image: 'registry.example/probe:1.0'}]")
	s.event("lost", "FailedCreatePodSandBox", "not-here")
}

// TestWrongCommand names the file that the image does not have.
func TestWrongCommand(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("absolute", "containers: [{name: main, image: 'registry.example/probe:1.0', command: [/no/such.wasm]}]")
	s.pod("in-path", "containers: [{name: main, image: 'registry.example/probe:1.0', command: [such.wasm]}]")
	s.pod("not-wasm", "containers: [{name: main, image: 'registry.example/probe:1.0', command: [/etc/passwd]}]")
	s.event("absolute", "Failed", "/no/such.wasm", "no such file")
	s.event("in-path", "Failed", "such.wasm", "not found in PATH")
	s.event("not-wasm", "Failed", "/etc/passwd", "not a WebAssembly module")
}

// TestAbsentMountSource names the path that the node does not have.
func TestAbsentMountSource(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	source := filepath.Join(s.hostDir(), "absent")
	s.pod("broken", `
containers:
- name: main
  image: registry.example/probe:1.0
  args: [out, never]
  volumeMounts: [{name: dir, mountPath: /dir}]
volumes: [{name: dir, hostPath: {path: `+source+`}}]
`)
	s.event("broken", "Failed", source, "does not exist")
}

// TestRecoversFromErrors starts a container whose error has been put right, with
// no more than patience.
func TestRecoversFromErrors(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	ref := "registry.example/" + s.name + "/late:1"
	s.pod("late", "containers: [{name: main, image: '"+ref+"'}]")
	s.event("late", "Failed", "not found")
	s.pushHello(ref, "better late\n", true)
	equal(t, "log", s.succeeds("late"), "better late\n")
}
