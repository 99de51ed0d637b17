// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestCrictl walks through the life of a pod with the operator's tool.
func TestCrictl(t *testing.T) {
	t.Parallel()
	n := newNode(t)

	contains(t, "version", n.crictl("version"), "RuntimeName:  wazelet", "RuntimeApiVersion:  v1")
	var info struct {
		Status struct {
			Conditions []struct {
				Type   string
				Status bool
			}
		}
		RuntimeHandlers []struct{ Name string }
	}
	n.crictlJSON(&info, "info")
	for _, condition := range info.Status.Conditions {
		if !condition.Status {
			t.Errorf("info: %s is false", condition.Type)
		}
	}
	equal(t, "handlers", fmt.Sprint(info.RuntimeHandlers), "[{} {wasm}]")

	const pause = "registry.example/files/pause:1.0"
	contains(t, "pull", n.crictl("pull", pause), "sha256:")
	contains(t, "pull", n.crictl("pull", "registry.example/tiny/stdio:1.0"), "sha256:")
	contains(t, "images", n.crictl("images"), "registry.example/files/pause", "1.0", "registry.example/tiny/stdio")
	var image struct {
		Status struct {
			ID                    string
			RepoTags, RepoDigests []string
			Size                  string
		}
	}
	n.crictlJSON(&image, "inspecti", pause)
	equal(t, "tags", strings.Join(image.Status.RepoTags, " "), pause)
	equal(t, "digests", len(image.Status.RepoDigests), 1)
	if !strings.HasPrefix(image.Status.ID, "sha256:") || image.Status.Size == "" || image.Status.Size == "0" {
		t.Errorf("inspecti: %+v", image.Status)
	}
	contains(t, "imagefsinfo", n.crictl("imagefsinfo"), filepath.Join(n.dir, "root"))

	pod := strings.TrimSpace(n.crictl("runp", "--runtime", "wasm", n.config("pod.json", podConfig)))
	contains(t, "pods", n.crictl("pods"), pod[:13], "Ready", "crictl-pod", "wasm")
	var sandbox struct {
		Status struct {
			State   string
			Network struct{ IP string }
		}
	}
	n.crictlJSON(&sandbox, "inspectp", pod)
	equal(t, "sandbox", sandbox.Status.State, "SANDBOX_READY")
	if !strings.HasPrefix(sandbox.Status.Network.IP, "10.") {
		t.Errorf("inspectp: address %q", sandbox.Status.Network.IP)
	}

	id := strings.TrimSpace(n.crictl("create", pod, n.config("container.json", containerConfig), n.config("pod.json", podConfig)))
	contains(t, "ps --all", n.crictl("ps", "--all"), id[:13], "Created")
	equal(t, "running containers", strings.TrimSpace(n.crictl("ps", "--quiet")), "")
	n.crictl("start", id)
	contains(t, "ps", n.crictl("ps"), id[:13], "Running", "pauser")
	var container struct {
		Status struct {
			State, ImageID string
			Metadata       struct{ Name string }
		}
		Info struct{ Pid int }
	}
	n.crictlJSON(&container, "inspect", id)
	equal(t, "container", container.Status.State, "CONTAINER_RUNNING")
	equal(t, "image", container.Status.ImageID, image.Status.ID)
	equal(t, "process", container.Info.Pid, workerPid(t, id))
	n.until(func() error {
		if log := n.crictl("logs", id); log != "pausing\n" {
			return fmt.Errorf("logs: %q", log)
		}
		return nil
	})
	contains(t, "stats", n.crictl("stats"), id[:13], "pauser")
	contains(t, "statsp", n.crictl("statsp"), pod[:13], "crictl-pod")

	n.crictl("stop", "--timeout", "30", id)
	contains(t, "ps --all", n.crictl("ps", "--all"), "Exited")
	n.crictl("rm", id)
	n.crictl("stopp", pod)
	contains(t, "pods", n.crictl("pods"), "NotReady")
	n.crictl("rmp", pod)
	equal(t, "pods", strings.TrimSpace(n.crictl("pods", "--quiet")), "")
	n.crictl("rmi", pause)
	n.crictl("rmi", "--prune")
	equal(t, "images", strings.TrimSpace(n.crictl("images", "--quiet")), "")
}

const podConfig = `{
  "metadata": {"name": "crictl-pod", "namespace": "default", "uid": "crictl-pod-uid", "attempt": 1},
  "hostname": "crictl", "log_directory": "DIR/logs", "linux": {}
}`

const containerConfig = `{
  "metadata": {"name": "pauser"}, "image": {"image": "registry.example/files/pause:1.0"},
  "log_path": "pauser.log", "linux": {}
}`

// config writes a configuration for crictl and returns its path.
func (n *node) config(name, content string) string {
	n.t.Helper()
	n.write(name, replace(content, "DIR", n.dir))
	return filepath.Join(n.dir, name)
}

// crictlJSON decodes what crictl prints, without regard to case.
func (n *node) crictlJSON(v any, args ...string) {
	n.t.Helper()
	out := n.crictl(append(args[:1:1], append([]string{"--output", "json"}, args[1:]...)...)...)
	if err := json.Unmarshal([]byte(out), v); err != nil {
		n.t.Fatalf("crictl %s: %v\n%s", args[0], err, out)
	}
}
