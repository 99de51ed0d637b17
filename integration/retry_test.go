// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// TestRetriedCalls return what the first one made, also those that come while it
// is at work.
func TestRetriedCalls(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.pull("registry.example/tiny/pause:1.0")
	config := n.sandboxConfig("pod")
	ids := together(8, func() (string, error) {
		response, err := n.runtime().RunPodSandbox(n.ctx, &runtimeapi.RunPodSandboxRequest{Config: config, RuntimeHandler: "wasm"})
		return response.GetPodSandboxId(), err
	})
	same(t, "sandboxes", ids)
	equal(t, "sandbox of a later call", n.sandbox(config), ids[0])

	request := n.containerRequest(ids[0], config, "main", "registry.example/tiny/pause:1.0")
	containers := together(8, func() (string, error) {
		response, err := n.runtime().CreateContainer(n.ctx, request)
		return response.GetContainerId(), err
	})
	same(t, "containers", containers)
	equal(t, "container of a later call", n.create(request), containers[0])

	for range 2 {
		if _, err := n.runtime().StartContainer(n.ctx, &runtimeapi.StartContainerRequest{ContainerId: containers[0]}); err != nil {
			t.Errorf("start: %v", err)
		}
	}
	for what, call := range map[string]func() error{
		"stop":   func() error { return n.stopContainer(containers[0]) },
		"remove": func() error { return n.removeContainer(containers[0]) },
		"stop pod": func() error {
			_, err := n.runtime().StopPodSandbox(n.ctx, &runtimeapi.StopPodSandboxRequest{PodSandboxId: ids[0]})
			return err
		},
	} {
		for range 2 {
			if err := call(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	// Another attempt is another sandbox.
	config.Metadata.Attempt++
	if again := n.sandbox(config); again == ids[0] {
		t.Error("the second attempt is the first one's sandbox")
	}
}

func (n *node) stopContainer(id string) error {
	_, err := n.runtime().StopContainer(n.ctx, &runtimeapi.StopContainerRequest{ContainerId: id, Timeout: 30})
	return err
}

func (n *node) removeContainer(id string) error {
	_, err := n.runtime().RemoveContainer(n.ctx, &runtimeapi.RemoveContainerRequest{ContainerId: id})
	return err
}

// together calls f so many times at once and returns what it returned, errors in
// the place of results.
func together(times int, f func() (string, error)) []string {
	results := make([]string, times)
	var wg sync.WaitGroup
	for i := range times {
		wg.Go(func() {
			result, err := f()
			if err != nil {
				result = "error: " + err.Error()
			}
			results[i] = result
		})
	}
	wg.Wait()
	return results
}

// same fails the test unless all are the same id.
func same(t *testing.T, what string, ids []string) {
	t.Helper()
	for _, id := range ids {
		if id != ids[0] || strings.Contains(id, " ") {
			t.Fatalf("%s: %q", what, ids)
		}
	}
}

// TestGivenUpCall goes on when its caller has gone: the retry gets what it made.
func TestGivenUpCall(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	// A network that takes its time until the file "go" is there.
	n.odd(true, `
case $CNI_COMMAND in
ADD) touch "${0%/*}/adding"; while [ ! -e "${0%/*}/go" ]; do sleep 0.05; done; echo '{"cniVersion": "1.0.0"}';;
esac`)
	config := n.sandboxConfig("slow")
	config.Metadata.Attempt = 1
	ctx, cancel := context.WithCancel(n.ctx)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := n.runtime().RunPodSandbox(ctx, &runtimeapi.RunPodSandboxRequest{Config: config, RuntimeHandler: "wasm"})
		failed <- err
	}()
	n.until(func() error {
		_, err := os.Stat(filepath.Join(n.dir, "plugins/adding"))
		return err
	})
	cancel()
	if err := <-failed; status.Code(err) != codes.Canceled {
		t.Errorf("the caller got %v", err)
	}
	n.write("plugins/go", "")
	id := n.sandbox(config)
	response, err := n.runtime().PodSandboxStatus(n.ctx, &runtimeapi.PodSandboxStatusRequest{PodSandboxId: id})
	if err != nil || response.Status.State != runtimeapi.PodSandboxState_SANDBOX_READY {
		t.Errorf("sandbox: %v, %v", response, err)
	}
	leases, err := filepath.Glob(filepath.Join(n.dir, "leases/net/10.*"))
	if err != nil || len(leases) != 1 {
		t.Errorf("addresses taken: %q, %v; want one", leases, err)
	}
}
