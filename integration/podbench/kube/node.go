// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// setting is how the kubelet is set up.
type setting struct {
	side *Side
	// quick lets the kubelet make more requests to the API server than its default.
	quick bool
}

// fields are those of the kubelet's configuration: the kubelet's own defaults where the
// laboratory has others to be quick, room for many pods, and the side's socket.
func (s setting) fields() map[string]any {
	const maxPods = 1000
	fields := map[string]any{
		"containerRuntimeEndpoint": "unix://" + s.side.Socket, "maxPods": maxPods,
		"syncFrequency": nil, "fileCheckFrequency": nil, "nodeStatusUpdateFrequency": nil,
		"containerLogMaxSize": nil, "containerLogMaxFiles": nil, "containerLogMonitorInterval": nil,
		"crashLoopBackOff": nil, "serializeImagePulls": nil, "registryPullQPS": nil, "eventRecordQPS": nil,
	}
	if s.quick {
		fields["kubeAPIQPS"], fields["kubeAPIBurst"] = 1000, 2000
	}
	return fields
}

// use has the kubelet run the pods to come as the setting says, and runs one, so that
// whatever is only done once is done. There are no pods.
func (b *bench) use(ctx context.Context, s setting) error {
	if b.now == s {
		return nil
	}
	if b.now.side != nil {
		if err := b.now.side.removeSandboxes(ctx); err != nil {
			return err
		}
	}
	if err := b.cluster.ReconfigureKubelet(ctx, s.fields()); err != nil {
		return err
	}
	b.now = s
	names := []string{newName()}
	if _, err := b.start(ctx, names); err != nil {
		return err
	}
	return b.end(ctx, names)
}

// clean deletes what is left.
func (b *bench) clean(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	var errs []error
	if names := b.pods.present(); len(names) > 0 {
		errs = append(errs, b.end(ctx, names))
	}
	if b.now.side != nil {
		errs = append(errs, b.now.side.removeSandboxes(ctx))
	}
	return errors.Join(errs...)
}

// removeSandboxes removes what the kubelet would remove within a minute.
func (s *Side) removeSandboxes(ctx context.Context) error {
	list, err := s.runtime.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for _, sandbox := range list.Items {
		group.Go(func() error {
			_, err := s.runtime.StopPodSandbox(ctx, &runtimeapi.StopPodSandboxRequest{PodSandboxId: sandbox.Id})
			if err == nil {
				_, err = s.runtime.RemovePodSandbox(ctx, &runtimeapi.RemovePodSandboxRequest{PodSandboxId: sandbox.Id})
			}
			return err
		})
	}
	return group.Wait()
}
