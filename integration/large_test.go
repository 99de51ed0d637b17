// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/parts"
)

// TestLargeModule pulls a module of 31 MB that is nearly all code, has it compiled
// once, at the pull and within the compiler's memory, and starts it from the cache:
// at once, and after a restart of the daemon.
func TestLargeModule(t *testing.T) {
	t.Parallel()
	n := newNodeWith(t, 15*time.Minute, "[compiler]\nmemory = \"1GiB\"\ntimeout = \"12m\"\n")
	path, err := lab.PrepareModule(n.ctx, os.Stderr, parts.Yosys)
	if err != nil {
		t.Fatal(err)
	}
	const ref = "registry.example/npm/yosys:0.55"
	module, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.PushModule(n.ctx, ref, module); err != nil {
		t.Fatal(err)
	}
	n.pull(ref)
	compiles := func() int { return strings.Count(readFile(t, n.log.Name()), `msg="module compiled"`) }
	equal(t, "compilers that ran for the pull", compiles(), 1)
	config := n.sandboxConfig("pod")
	sandbox := n.sandbox(config)
	version := func(name string) {
		t.Helper()
		request := n.containerRequest(sandbox, config, name, ref)
		request.Config.Args = []string{"-V"}
		id := n.create(request)
		if _, err := n.runtime().StartContainer(n.ctx, &runtimeapi.StartContainerRequest{ContainerId: id}); err != nil {
			t.Fatal(err)
		}
		n.until(func() error {
			if state := n.status(id).State; state != runtimeapi.ContainerState_CONTAINER_EXITED {
				return fmt.Errorf("container %s is %s", name, state)
			}
			return nil
		})
		equal(t, "exit code of "+name, n.status(id).ExitCode, 0)
		contains(t, "log of "+name, readFile(t, n.dir+"/logs/pod/"+name+".log"), "stdout F Yosys 0.55")
	}
	version("first")
	version("second")
	n.stop(unix.SIGTERM)
	n.start()
	version("after-restart")
	n.pull(ref)
	equal(t, "compilers that ran in all", compiles(), 1)
}
