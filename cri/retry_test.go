// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/runtime/engine/enginetest"
)

// TestCallsAtOnceAgree makes the same calls many times at once, as a kubelet
// that retries does, while another client lists.
func TestCallsAtOnceAgree(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	ref := n.publishModule("spin:v1", enginetest.Spin("on\n"))
	pulls := atOnce(t, func() (string, error) {
		return n.images.PullImage(ctx, &runtimeapi.ImageSpec{Image: ref}, nil, nil)
	})
	pod := n.pod("p")
	listing, stopListing := context.WithCancel(ctx)
	var lister sync.WaitGroup
	lister.Go(func() {
		for listing.Err() == nil {
			if _, err := n.runtime.ListPodSandbox(ctx, nil); err != nil {
				t.Error(err)
			}
			if _, err := n.runtime.ListContainers(ctx, nil); err != nil {
				t.Error(err)
			}
			if _, err := n.runtime.ListContainerStats(ctx, nil); err != nil {
				t.Error(err)
			}
		}
	})
	pods := atOnce(t, func() (string, error) { return n.runtime.RunPodSandbox(ctx, pod, "") })
	config := n.container("c", ref, pulls[0])
	containers := atOnce(t, func() (string, error) { return n.runtime.CreateContainer(ctx, pods[0], config, pod) })
	for what, made := range map[string][]string{"pull": pulls, "sandbox": pods, "container": containers} {
		if slices.Sort(made); len(slices.Compact(made)) != 1 {
			t.Errorf("%s: the same call made %q", what, made)
		}
	}
	id := containers[0]
	atOnce(t, func() (string, error) { return "", n.runtime.StartContainer(ctx, id) })
	if s := n.status(id); s.GetState() != runtimeapi.ContainerState_CONTAINER_RUNNING {
		t.Errorf("started: %v", s)
	}
	atOnce(t, func() (string, error) { return "", n.runtime.StopContainer(ctx, id, 10) })
	atOnce(t, func() (string, error) { return "", n.runtime.RemoveContainer(ctx, id) })
	atOnce(t, func() (string, error) {
		return "", errors.Join(n.runtime.StopPodSandbox(ctx, pods[0]), n.runtime.RemovePodSandbox(ctx, pods[0]))
	})
	stopListing()
	lister.Wait()
	if left, err := n.runtime.ListPodSandbox(ctx, nil); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// atOnce makes one call eight times at once and returns the answers; none may
// fail.
func atOnce(t *testing.T, call func() (string, error)) []string {
	t.Helper()
	answers := make([]string, 8)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			var err error
			if answers[i], err = call(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return answers
}

// TestACallGivenUpIsFinishedForTheRetry cancels a create under way: its retry
// gets the container that the first call has made.
func TestACallGivenUpIsFinishedForTheRetry(t *testing.T) {
	n := newNode(t)
	ref := n.publishModule("exit:v1", enginetest.Exit(0))
	pod := n.pod("p")
	podID, config := n.run(pod), n.container("c", ref, n.pull(ref))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond) // far less than a create takes
	defer cancel()
	_, err := n.runtime.CreateContainer(ctx, podID, config, pod)
	if code := status.Code(err); code != codes.DeadlineExceeded {
		t.Errorf("first call: %v", err)
	}
	id := n.create(podID, config, pod)
	list, err := n.runtime.ListContainers(t.Context(), nil)
	if err != nil || len(list) != 1 || list[0].GetId() != id {
		t.Errorf("retry made %s, listed %v, %v", id, list, err)
	}
}
