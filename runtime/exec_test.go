// SPDX-License-Identifier: Apache-2.0

package runtime_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/integration/lab/image"
	"github.com/wazelet/wazelet/runtime"
)

// TestACommandThatIsKilledForMemoryIsNotItsContainersEnd: the kernel takes the
// command first, and how the container ends later has nothing to do with it.
func TestACommandThatIsKilledForMemoryIsNotItsContainersEnd(t *testing.T) {
	d := newDaemon(t)
	img, err := image.Files(image.Config{Entrypoint: []string{"/pause.wasm"}},
		image.File{Path: "/pause.wasm", Content: tiny.Pause("")}, image.File{Path: "/hog.wasm", Content: tiny.Hog()})
	pulled, err := d.images.Pull(t.Context(), d.push("commands:1", img, err), nil)
	d.must(err)
	c := d.create(d.pod("p"), pulled, func(c *runtime.Config) {
		c.Resources = cgroup.Resources{MemoryLimit: 32 << 20, MemorySwapLimit: 32 << 20}
	})
	d.must(d.containers.Start(t.Context(), c.ID))
	code, err := d.containers.Exec(t.Context(), c.ID, runtime.Command{Args: []string{"/hog.wasm"}})
	if err != nil || code != 137 {
		t.Errorf("code %d, %v", code, err)
	}
	if c, err = d.containers.Get(c.ID); err != nil || c.State != runtime.StateRunning {
		t.Fatalf("the container is %s, %v", c.State, err)
	}
	d.must(d.containers.Stop(t.Context(), c.ID, 0))
	if c = d.ended(c.ID); c.ExitCode != 137 || c.Reason != runtime.ReasonError {
		t.Errorf("the container: %d %s %q", c.ExitCode, c.Reason, c.Message)
	}
	var stderr bytes.Buffer
	_, err = d.containers.Exec(t.Context(), c.ID, runtime.Command{Args: []string{"/hog.wasm"}, Streams: runtime.Streams{Stderr: &stderr}})
	if !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), "it is exited") {
		t.Errorf("a command in a container that has ended: %v", err)
	}
}
