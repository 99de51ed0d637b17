// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/image"
)

// pushHello stores a program that prints the text, in one of the two forms, and
// returns its reference by digest.
func (s *space) pushHello(ref, text string, files bool) string {
	s.t.Helper()
	var byDigest string
	var err error
	if files {
		byDigest, err = cluster.PushFiles(s.ctx, ref, image.Config{Entrypoint: []string{"/a.wasm"}}, image.File{Path: "/a.wasm", Content: tiny.Hello(text)})
	} else {
		byDigest, err = cluster.PushModule(s.ctx, ref, tiny.Hello(text))
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return byDigest
}

// TestPullByDigest runs what the digest names, whatever the tag names by now.
func TestPullByDigest(t *testing.T) {
	t.Parallel()
	for form, files := range map[string]bool{"image of files": true, "artifact": false} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			s := newSpace(t)
			tag := "registry.example/" + s.name + "/hello:1"
			first := s.pushHello(tag, "first\n", files)
			second := s.pushHello(tag, "second\n", files)
			for pod, c := range map[string]struct{ ref, want string }{
				"by-old-digest": {first, "first\n"},
				"by-new-digest": {second, "second\n"},
				"by-tag":        {tag, "second\n"},
			} {
				s.pod(pod, fmt.Sprintf("containers: [{name: main, image: '%s'}]", c.ref))
				equal(t, "log of "+pod, s.succeeds(pod), c.want)
			}
		})
	}
}

// TestPullPolicy follows Never, IfNotPresent and Always while a tag moves.
func TestPullPolicy(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	tag := "registry.example/" + s.name + "/moving:1"
	pod := func(name, policy string) {
		s.pod(name, fmt.Sprintf("containers: [{name: main, image: '%s', imagePullPolicy: %s}]", tag, policy))
	}
	s.pushHello(tag, "first\n", true)
	pod("never-absent", "Never")
	s.wait("never-absent", lab.Waiting("main", "ErrImageNeverPull"))

	pod("absent", "IfNotPresent")
	equal(t, "IfNotPresent, absent", s.succeeds("absent"), "first\n")
	s.pushHello(tag, "second\n", true)
	pod("present", "IfNotPresent")
	equal(t, "IfNotPresent, present", s.succeeds("present"), "first\n")
	pod("never-present", "Never")
	equal(t, "Never, present", s.succeeds("never-present"), "first\n")
	pod("always", "Always")
	equal(t, "Always", s.succeeds("always"), "second\n")
	s.event("absent", "Pulled", "Successfully pulled image")
	s.event("present", "Pulled", "already present")
}

// TestImagePullSecrets pulls from a registry that asks for a password.
func TestImagePullSecrets(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	ref := lab.PrivateRegistry + "/" + s.name + ":1"
	s.pushHello(ref, "let in\n", false)
	secret := func(name, password string) {
		s.in("create", "secret", "docker-registry", name, "--docker-server="+lab.PrivateRegistry,
			"--docker-username="+lab.RegistryUser, "--docker-password="+password)
	}
	secret("right", lab.RegistryPassword)
	secret("wrong", "not "+lab.RegistryPassword)

	s.pod("stranger", fmt.Sprintf("containers: [{name: main, image: '%s'}]", ref))
	s.event("stranger", "Failed", ref, "requires authentication")
	s.pod("liar", fmt.Sprintf("imagePullSecrets: [{name: wrong}]\ncontainers: [{name: main, image: '%s'}]", ref))
	s.event("liar", "Failed", ref, "refused the credentials")
	log := s.run("guest", fmt.Sprintf("imagePullSecrets: [{name: right}]\ncontainers: [{name: main, image: '%s'}]", ref))
	equal(t, "log", log, "let in\n")
}

// TestImageDefaults are the entrypoint, environment, working directory and user
// that an image gives when the pod says nothing.
func TestImageDefaults(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	equal(t, "cmd in the image's working directory", s.run("plain", "containers: [{name: main, image: 'registry.example/files/path:1.0'}]"), "/srv\n")
	log := s.run("env", "containers: [{name: main, image: 'registry.example/files/path:1.0', args: [env, FROM, PATH]}]")
	equal(t, "environment", log, "image\n/opt/tools\n")

	dir := s.hostDir()
	s.run("user", `
containers:
- name: main
  image: registry.example/files/user:1.0
  args: [write, /out/file, mine]
  volumeMounts: [{name: out, mountPath: /out}]
volumes: [{name: out, hostPath: {path: `+dir+`}}]
`)
	owned(t, dir+"/file", 1000, 1000)
}

// TestLayers stacks an image's layers: the upper ones replace and take away.
func TestLayers(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	probe, err := lab.Guest("probe")
	if err != nil {
		t.Fatal(err)
	}
	img, err := image.Layers(image.Config{Entrypoint: []string{"/probe.wasm"}},
		[]image.File{{Path: "/probe.wasm", Content: probe}, {Path: "/data/"}, {Path: "/data/gone"}, {Path: "/data/kept", Content: []byte("lower\n")}, {Path: "/old/"}, {Path: "/old/file"}},
		[]image.File{{Path: "/data/.wh.gone"}, {Path: "/data/kept", Content: []byte("upper\n")}, {Path: "/old/"}, {Path: "/old/.wh..wh..opq"}, {Path: "/old/new"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	ref := "registry.example/" + s.name + "/layers:1"
	if _, err := cluster.Push(s.ctx, ref, img); err != nil {
		t.Fatal(err)
	}
	log := s.run("layers", "containers: [{name: main, image: '"+ref+"', args: [then, cat, /data/kept, --, ls, /data, /old]}]")
	lines := strings.Split(strings.TrimSpace(log), "\n")
	if len(lines) != 3 || lines[0] != "upper" || !strings.HasSuffix(lines[1], " 6 kept") || !strings.HasSuffix(lines[2], " 0 new") {
		t.Errorf("the container has %q", lines)
	}
}

// TestImageIndex takes the image for Wasm out of an index for several platforms.
func TestImageIndex(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	native, errNative := image.Files(image.Config{Entrypoint: []string{"/a"}, Platform: "linux/amd64"}, image.File{Path: "/a", Content: []byte("\x7fELF"), Mode: 0o755})
	wasm, errWasm := image.Files(image.Config{Entrypoint: []string{"/a.wasm"}}, image.File{Path: "/a.wasm", Content: tiny.Hello("for wasm\n")})
	index, err := image.Index(native, wasm)
	if err := errors.Join(errNative, errWasm, err); err != nil {
		t.Fatal(err)
	}
	ref := "registry.example/" + s.name + "/index:1"
	if _, err := cluster.Push(s.ctx, ref, index); err != nil {
		t.Fatal(err)
	}
	equal(t, "log", s.run("choice", "containers: [{name: main, image: '"+ref+"'}]"), "for wasm\n")
}
