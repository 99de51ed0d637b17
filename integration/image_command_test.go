// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/integration/lab"
)

// wazelet runs the command line with the node's configuration.
func (n *node) wazelet(args ...string) (lab.Output, error) {
	n.t.Helper()
	return cluster.Wazelet(n.ctx, append([]string{"--config", filepath.Join(n.dir, "config.toml")}, args...)...)
}

// blobOf returns the file of an image's module in the content store.
func (n *node) blobOf(ref string) string {
	n.t.Helper()
	out, err := n.wazelet("image", "inspect", "-o", "json", ref)
	if err != nil {
		n.t.Fatal(err)
	}
	var image struct{ Module struct{ Digest string } }
	if err := json.Unmarshal([]byte(out.Stdout), &image); err != nil {
		n.t.Fatal(err)
	}
	return filepath.Join(n.dir, "root/content/blobs/sha256", strings.TrimPrefix(image.Module.Digest, "sha256:"))
}

// TestImageCommand pushes a module to the registry, and has the daemon fetch,
// show and remove it: the pod that runs it in between needs no other tool.
func TestImageCommand(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	wazelet := func(args ...string) string {
		t.Helper()
		out, err := cluster.Wazelet(s.ctx, append([]string{"image"}, args...)...)
		if err != nil {
			t.Fatalf("wazelet image %s: %v", strings.Join(args, " "), err)
		}
		return out.Stdout
	}
	module := filepath.Join(t.TempDir(), "hello.wasm")
	if err := os.WriteFile(module, tiny.Hello("pushed by wazelet\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ref := "registry.example/" + s.name + "/hello:1"
	byDigest := wazelet("push", module, ref)
	contains(t, "what was pushed", byDigest, "registry.example/"+s.name+"/hello@sha256:")
	contains(t, "id", wazelet("pull", ref), "sha256:")
	contains(t, "list", wazelet("ls"), ref)
	contains(t, "image", wazelet("inspect", ref), "Format", "/hello.wasm", "wasi_snapshot_preview1.fd_write (function)", "Runs      yes")
	equal(t, "log", s.run("never", "containers: [{name: main, image: '"+ref+"', imagePullPolicy: Never}]"), "pushed by wazelet\n")

	s.in("delete", "pod", "never", "--wait=true")
	wazelet("rm", ref)
	if list := wazelet("ls"); strings.Contains(list, ref) {
		t.Errorf("removed, and still listed:\n%s", list)
	}
}

// TestImageCheckBesideTheDaemon has the daemon find and mend what has changed on
// disk behind its back, while a pod of the image runs and pulls go on, and checks
// the store again without the daemon.
func TestImageCheckBesideTheDaemon(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	check := func(args ...string) (string, error) {
		out, err := n.wazelet(append([]string{"image", "check"}, args...)...)
		return out.Stdout, err
	}
	n.pull("registry.example/tiny/pause:1.0")
	n.pull("registry.example/hello-module:1.0")
	config := n.sandboxConfig("pod")
	sandbox := n.sandbox(config)
	running := n.create(n.containerRequest(sandbox, config, "main", "registry.example/tiny/pause:1.0"))
	if said, err := check(); err != nil || !strings.HasSuffix(said, "are as they were stored\n") {
		t.Fatalf("a sound store: %v, %s", err, said)
	}
	// Asked before the damage: who asks for an image has its module looked at.
	module := n.blobOf("registry.example/hello-module:1.0")
	entries, err := filepath.Glob(filepath.Join(n.dir, "root/modules/*/module.wasm"))
	if err != nil || len(entries) != 2 {
		t.Fatalf("entries %v, %v", entries, err)
	}
	for _, entry := range entries {
		if err := os.WriteFile(entry, tiny.Hello("planted\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n.write("root/modules/foreign/file", "x")
	n.write("root/content/blobs/sha256/"+strings.Repeat("ab", 32), "orphan")
	if err := os.Truncate(module, 10); err != nil {
		t.Fatal(err)
	}
	said, err := check()
	if err == nil {
		t.Error("damage, and exit status 0")
	}
	contains(t, "found", said, "damaged: image sha256:", "registry.example/hello-module:1.0", "its files are not those that the compiler wrote",
		"damaged: compiled module foreign: ", "left over: blob sha256:abab")
	said, err = check("--repair")
	if err != nil {
		t.Errorf("repair: %v", err)
	}
	contains(t, "repaired", said, "repaired: image sha256:", "repaired: compiled module foreign: ", "repaired: blob sha256:abab")
	if said, err := check(); err != nil || !strings.HasSuffix(said, "1 images and 1 compiled modules are as they were stored\n") {
		t.Errorf("after the repair: %v, %s", err, said)
	}
	n.pull("registry.example/hello-module:1.0")
	equal(t, "state of the container that was there all the time", n.status(running).State, runtimeapi.ContainerState_CONTAINER_CREATED)

	n.stop(unix.SIGTERM)
	if said, err := check(); err != nil || !strings.HasSuffix(said, "2 images and 2 compiled modules are as they were stored\n") {
		t.Errorf("without the daemon: %v, %s", err, said)
	}
	n.start()
}
