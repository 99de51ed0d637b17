// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// patience is how long a crowd of pods may take to start, and to end.
const patience = 15 * time.Minute

// clientsAtOnce make the pods of a crowd.
const clientsAtOnce = 8

func newName() string { return "bench-" + strings.ToLower(rand.Text()[:10]) }

// start makes the pods at the API server, all at once, and waits until they are Ready.
func (b *bench) start(ctx context.Context, names []string) ([]life, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	group, creating := errgroup.WithContext(ctx)
	group.SetLimit(clientsAtOnce)
	for _, name := range names {
		group.Go(func() error {
			var created struct{}
			if err := b.api.do(creating, http.MethodPost, podsPath, podObject(name, b.now.side), &created); err != nil {
				return err
			}
			b.pods.accepted(name)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	lives, err := b.pods.await(ctx, names, ready)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, b.cluster.Describe(namespace, names[len(names)-1]))
	}
	return lives, nil
}

// end deletes all pods of the namespace and waits until the named ones are gone.
func (b *bench) end(ctx context.Context, names []string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var deleted struct{}
	if err := b.api.do(ctx, http.MethodDelete, podsPath, nil, &deleted); err != nil {
		return err
	}
	_, err := b.pods.await(ctx, names, gone)
	return err
}

// started answers when the pods' containers were started, as the runtime tells.
func (b *bench) started(ctx context.Context, names []string) (map[string]time.Time, error) {
	r := b.now.side.runtime
	list, err := r.ListContainers(ctx, &runtimeapi.ListContainersRequest{Filter: &runtimeapi.ContainerFilter{
		State: &runtimeapi.ContainerStateValue{State: runtimeapi.ContainerState_CONTAINER_RUNNING},
	}})
	if err != nil {
		return nil, err
	}
	at := map[string]time.Time{}
	for _, container := range list.Containers {
		status, err := r.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: container.Id})
		if err != nil {
			return nil, err
		}
		at[container.Labels["io.kubernetes.pod.name"]] = time.Unix(0, status.Status.StartedAt)
	}
	for _, name := range names {
		if at[name].IsZero() {
			return nil, fmt.Errorf("pod %s has no running container", name)
		}
	}
	return at, nil
}
