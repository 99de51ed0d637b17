// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/guests/tiny"
)

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
	_, err := cluster.Wazelet(s.ctx, "image", "check")
	if err == nil || !strings.Contains(err.Error(), "the daemon has the store") {
		t.Errorf("check beside the daemon: %v", err)
	}
}
