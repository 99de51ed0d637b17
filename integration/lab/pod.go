// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Pod is the part of a pod that the tests look at.
type Pod struct {
	Metadata struct {
		Name, Namespace, UID string
	}
	Status struct {
		Phase, Reason, Message string
		PodIP, HostIP          string
		PodIPs, HostIPs        []struct{ IP string }
		QOSClass               string `json:"qosClass"`
		Conditions             []Condition
		ContainerStatuses      []ContainerStatus
		InitContainerStatuses  []ContainerStatus
	}
}

// Condition is one condition of a pod.
type Condition struct{ Type, Status, Reason, Message string }

// ContainerStatus is what the kubelet reports of a container.
type ContainerStatus struct {
	Name, Image, ImageID, ContainerID string
	Ready                             bool
	RestartCount                      int
	State, LastState                  ContainerState
	// User is whom the container runs as.
	User struct {
		Linux *struct {
			UID, GID           int64
			SupplementalGroups []int64
		}
	}
}

// ContainerState has one field set, or none.
type ContainerState struct {
	Waiting *struct{ Reason, Message string }
	Running *struct{ StartedAt time.Time }
	// Terminated says how the container ended.
	Terminated *Terminated
}

// Terminated says how a container ended.
type Terminated struct {
	ExitCode              int
	Signal                int
	Reason, Message       string
	StartedAt, FinishedAt time.Time
	ContainerID           string
}

// Container returns the status of the named container or init container, nil when
// the kubelet has not reported one.
func (p *Pod) Container(name string) *ContainerStatus {
	for _, statuses := range [][]ContainerStatus{p.Status.ContainerStatuses, p.Status.InitContainerStatuses} {
		if i := slices.IndexFunc(statuses, func(s ContainerStatus) bool { return s.Name == name }); i >= 0 {
			return &statuses[i]
		}
	}
	return nil
}

// Condition returns the status of a condition: "True", "False", "Unknown", or ""
// when it is not set.
func (p *Pod) Condition(kind string) string {
	for _, condition := range p.Status.Conditions {
		if condition.Type == kind {
			return condition.Status
		}
	}
	return ""
}

// Ready waits for the pod's Ready condition.
func Ready(p *Pod) bool { return p.Condition("Ready") == "True" }

// Running waits for the phase Running.
func Running(p *Pod) bool { return p.Status.Phase == "Running" }

// Succeeded waits for the phase Succeeded.
func Succeeded(p *Pod) bool { return p.Status.Phase == "Succeeded" }

// Failed waits for the phase Failed.
func Failed(p *Pod) bool { return p.Status.Phase == "Failed" }

// Finished waits for the phase Succeeded or Failed.
func Finished(p *Pod) bool { return Succeeded(p) || Failed(p) }

// Waiting waits until the container waits for the given reason, such as
// CrashLoopBackOff or ErrImagePull.
func Waiting(container, reason string) func(*Pod) bool {
	return func(p *Pod) bool {
		s := p.Container(container)
		return s != nil && s.State.Waiting != nil && s.State.Waiting.Reason == reason
	}
}

// Restarted waits until the container was restarted that often.
func Restarted(container string, times int) func(*Pod) bool {
	return func(p *Pod) bool {
		s := p.Container(container)
		return s != nil && s.RestartCount >= times
	}
}

// Terminal waits until the container has ended for good or between two restarts.
func Terminal(container string) func(*Pod) bool {
	return func(p *Pod) bool {
		s := p.Container(container)
		return s != nil && (s.State.Terminated != nil || s.LastState.Terminated != nil)
	}
}

// Pod returns a pod as it is now.
func (c *Cluster) Pod(ctx context.Context, namespace, name string) (*Pod, error) {
	var pod Pod
	return &pod, c.Get(ctx, &pod, "pod", "--namespace", namespace, name)
}

// WaitPod watches a pod, which must exist, until want holds and returns it as it
// was then. A pod that has ended and can no longer fulfil want fails at once. The
// error describes the pod and shows its events.
func (c *Cluster) WaitPod(ctx context.Context, namespace, name string, want func(*Pod) bool) (*Pod, error) {
	var last *Pod
	// A list of one: kubectl watches a list from the state that it has shown, but a
	// single object from now, and would miss a change in between.
	err := watch(ctx, c, []string{"pods", "--namespace", namespace, "--field-selector", "metadata.name=" + name}, func(pod *Pod) (bool, error) {
		last = pod
		if want(pod) {
			return true, nil
		}
		if Finished(pod) {
			return false, fmt.Errorf("ended as %s: %s", pod.Status.Phase, pod.Status.Message)
		}
		return false, nil
	})
	if err != nil {
		return last, fmt.Errorf("pod %s/%s: %w\n%s", namespace, name, err, c.Describe(namespace, name))
	}
	return last, nil
}

// Describe returns kubectl describe of a pod, for messages: it has a deadline of
// its own and its errors are part of the text.
func (c *Cluster) Describe(namespace, pod string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := c.Kubectl(ctx, "describe", "pod", "--namespace", namespace, pod)
	if err != nil {
		return err.Error()
	}
	return out.Stdout
}

// Event is one event of the cluster.
type Event struct {
	Type, Reason, Message string
	Count                 int
	InvolvedObject        struct{ Kind, Namespace, Name, UID, FieldPath string }
}

// WaitEvent waits for an event about the named object whose reason is the given
// one and whose message contains text.
func (c *Cluster) WaitEvent(ctx context.Context, namespace, object, reason, text string) (*Event, error) {
	var found *Event
	var seen []string
	selector := "involvedObject.name=" + object + ",reason=" + reason
	err := watch(ctx, c, []string{"events", "--namespace", namespace, "--field-selector", selector}, func(event *Event) (bool, error) {
		found = event
		seen = append(seen, event.Message)
		return strings.Contains(event.Message, text), nil
	})
	if err != nil {
		return nil, fmt.Errorf("event %s of %s with %q: %w; seen: %q", reason, object, text, err, seen)
	}
	return found, nil
}

// watch runs kubectl get --watch and hands each object to step until it is done,
// fails, or the context ends.
func watch[T any](ctx context.Context, c *Cluster, args []string, step func(*T) (done bool, err error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.part("kubectl"), append([]string{"get", "-o", "json", "--watch"}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := c.Start(cmd); err != nil {
		return err
	}
	err = decodeStream(stdout, step)
	over := ctx.Err() // before our own cancel below
	cancel()
	waited := cmd.Wait()
	switch {
	case over != nil:
		return context.Cause(ctx)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("kubectl get --watch ended: %w: %s", orExit0(waited), strings.TrimSpace(stderr.String()))
	default:
		return err
	}
}

func decodeStream[T any](r io.Reader, step func(*T) (bool, error)) error {
	for decoder := json.NewDecoder(r); ; {
		v := new(T)
		if err := decoder.Decode(v); err != nil {
			return err
		}
		if done, err := step(v); done || err != nil {
			return err
		}
	}
}
