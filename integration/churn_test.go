// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// TestChurn makes and removes pods from several clients at once while wazelet is
// killed again and again. Every client gets its pod in the end, and nothing is left.
func TestChurn(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.pull("registry.example/tiny/exit:1.0")
	const clients, rounds, kills = 4, 5, 4
	done := make(chan error)
	for client := range clients {
		go func() {
			for round := range rounds {
				if err := n.life(fmt.Sprintf("pod-%d-%d", client, round)); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	left := clients
	for kill := 0; left > 0; {
		select {
		case err := <-done:
			left--
			if err != nil {
				t.Error(err)
			}
		case <-time.After(500 * time.Millisecond):
			if kill++; kill <= kills {
				n.stop(unix.SIGKILL)
				n.start()
			}
		}
	}
}

// life leads a pod through its life as a kubelet would: every call is repeated
// until it succeeds.
func (n *node) life(name string) error {
	config := n.sandboxConfig(name)
	var sandbox, container string
	steps := []func(runtimeapi.RuntimeServiceClient) error{
		func(r runtimeapi.RuntimeServiceClient) error {
			response, err := r.RunPodSandbox(n.ctx, &runtimeapi.RunPodSandboxRequest{Config: config, RuntimeHandler: "wasm"})
			sandbox = response.GetPodSandboxId()
			return err
		},
		func(r runtimeapi.RuntimeServiceClient) error {
			response, err := r.CreateContainer(n.ctx, n.containerRequest(sandbox, config, "main", "registry.example/tiny/exit:1.0"))
			container = response.GetContainerId()
			return err
		},
		func(r runtimeapi.RuntimeServiceClient) error {
			_, err := r.StartContainer(n.ctx, &runtimeapi.StartContainerRequest{ContainerId: container})
			if response, statusErr := r.ContainerStatus(n.ctx, &runtimeapi.ContainerStatusRequest{ContainerId: container}); statusErr == nil &&
				response.Status.State == runtimeapi.ContainerState_CONTAINER_EXITED {
				return nil // by a start whose answer was lost
			}
			return err
		},
		func(r runtimeapi.RuntimeServiceClient) error {
			response, err := r.ContainerStatus(n.ctx, &runtimeapi.ContainerStatusRequest{ContainerId: container})
			if err == nil && (response.Status.State != runtimeapi.ContainerState_CONTAINER_EXITED || response.Status.ExitCode != 7) {
				err = fmt.Errorf("state %s, exit code %d", response.Status.State, response.Status.ExitCode)
			}
			return err
		},
		func(r runtimeapi.RuntimeServiceClient) error {
			_, err := r.RemovePodSandbox(n.ctx, &runtimeapi.RemovePodSandboxRequest{PodSandboxId: sandbox})
			return err
		},
	}
	for i, step := range steps {
		if err := poll(n.ctx, func() error { return n.once(step) }); err != nil {
			return fmt.Errorf("%s: step %d: %w", name, i, err)
		}
	}
	return nil
}

// once makes a call over a connection of its own.
func (n *node) once(call func(runtimeapi.RuntimeServiceClient) error) error {
	conn, err := grpc.NewClient("unix://"+n.socket(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	return call(runtimeapi.NewRuntimeServiceClient(conn))
}
