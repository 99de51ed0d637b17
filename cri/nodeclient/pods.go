// SPDX-License-Identifier: Apache-2.0

package nodeclient

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/containerd/errdefs"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Pod is a pod sandbox.
type Pod struct {
	ID        string
	Namespace string
	Name      string
	UID       string
	Handler   string // the RuntimeClass's; empty for the default
}

// String is how kubectl names the pod.
func (p Pod) String() string { return p.Namespace + "/" + p.Name }

// Pods lists all pod sandboxes, those that ended too.
func (c *Client) Pods(ctx context.Context) ([]Pod, error) {
	answer, err := c.runtime.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{})
	if err != nil {
		return nil, c.failed("ListPodSandbox", err)
	}
	var pods []Pod
	for _, sb := range answer.GetItems() {
		m := sb.GetMetadata()
		pods = append(pods, Pod{ID: sb.GetId(), Namespace: m.GetNamespace(), Name: m.GetName(), UID: m.GetUid(), Handler: sb.GetRuntimeHandler()})
	}
	return pods, nil
}

// Process is a running container, or the pause of a pod sandbox.
type Process struct {
	ID   string // of the container or the sandbox
	Pod  string // namespace/name
	Name string // the container's; "" for a sandbox
	PID  int    // on the node; 0 where the runtime does not tell
}

// Processes lists what runs: every running container and every ready sandbox. Those
// that end meanwhile are left out.
func (c *Client) Processes(ctx context.Context) ([]Process, error) {
	sandboxes, err := c.runtime.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{
		Filter: &runtimeapi.PodSandboxFilter{State: &runtimeapi.PodSandboxStateValue{State: runtimeapi.PodSandboxState_SANDBOX_READY}},
	})
	if err != nil {
		return nil, c.failed("ListPodSandbox", err)
	}
	var found []Process
	pods := map[string]string{}
	for _, sb := range sandboxes.GetItems() {
		pod := sb.GetMetadata().GetNamespace() + "/" + sb.GetMetadata().GetName()
		pods[sb.GetId()] = pod
		answer, err := c.runtime.PodSandboxStatus(ctx, &runtimeapi.PodSandboxStatusRequest{PodSandboxId: sb.GetId(), Verbose: true})
		if err = c.failedUnlessGone("PodSandboxStatus", err); err != nil {
			return nil, err
		}
		if answer != nil && answer.GetStatus().GetState() == runtimeapi.PodSandboxState_SANDBOX_READY {
			found = append(found, Process{ID: sb.GetId(), Pod: pod, PID: pidOf(answer.GetInfo())})
		}
	}
	containers, err := c.runtime.ListContainers(ctx, &runtimeapi.ListContainersRequest{
		Filter: &runtimeapi.ContainerFilter{State: &runtimeapi.ContainerStateValue{State: runtimeapi.ContainerState_CONTAINER_RUNNING}},
	})
	if err != nil {
		return nil, c.failed("ListContainers", err)
	}
	for _, item := range containers.GetContainers() {
		answer, err := c.runtime.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: item.GetId(), Verbose: true})
		if err = c.failedUnlessGone("ContainerStatus", err); err != nil {
			return nil, err
		}
		if answer != nil && answer.GetStatus().GetState() == runtimeapi.ContainerState_CONTAINER_RUNNING {
			found = append(found, Process{
				ID: item.GetId(), Pod: pods[item.GetPodSandboxId()], Name: item.GetMetadata().GetName(), PID: pidOf(answer.GetInfo()),
			})
		}
	}
	return found, nil
}

// failedUnlessGone lets something go that ended between a list and a look.
func (c *Client) failedUnlessGone(call string, err error) error {
	if err == nil {
		return nil
	}
	if err = c.failed(call, err); errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// pidOf reads the process id as containerd and CRI-O show it in a verbose status.
func pidOf(info map[string]string) int {
	var shown struct {
		PID int `json:"pid"`
	}
	if json.Unmarshal([]byte(info["info"]), &shown) != nil {
		return 0
	}
	return shown.PID
}

// Remove ends a pod: each container is told to stop and is given the grace period,
// then the sandbox is stopped and removed. A pod that is gone is fine.
func (c *Client) Remove(ctx context.Context, pod Pod, grace time.Duration) error {
	containers, err := c.runtime.ListContainers(ctx, &runtimeapi.ListContainersRequest{Filter: &runtimeapi.ContainerFilter{PodSandboxId: pod.ID}})
	if err != nil {
		return c.failed("ListContainers", err)
	}
	stopped := make(chan error)
	for _, item := range containers.GetContainers() {
		go func() {
			_, err := c.runtime.StopContainer(ctx, &runtimeapi.StopContainerRequest{ContainerId: item.GetId(), Timeout: int64(grace / time.Second)})
			stopped <- c.failedUnlessGone("StopContainer", err)
		}()
	}
	for range containers.GetContainers() {
		err = errors.Join(err, <-stopped)
	}
	if err != nil {
		return err
	}
	_, err = c.runtime.StopPodSandbox(ctx, &runtimeapi.StopPodSandboxRequest{PodSandboxId: pod.ID})
	if err := c.failedUnlessGone("StopPodSandbox", err); err != nil {
		return err
	}
	_, err = c.runtime.RemovePodSandbox(ctx, &runtimeapi.RemovePodSandboxRequest{PodSandboxId: pod.ID})
	return c.failedUnlessGone("RemovePodSandbox", err)
}
