// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Down takes the laboratory down: pods, daemons, processes, cgroups, namespaces.
// It works after a half-made Up too, goes on after an error and returns all of
// them joined. The scratch folder with the logs stays.
func (c *Cluster) Down(ctx context.Context) error {
	if c.claim == nil {
		return nil
	}
	var errs []error
	if c.PID("kubelet") != 0 && c.PID("wazelet") != 0 && c.PID("kube-apiserver") != 0 {
		errs = append(errs, c.DeletePods(ctx))
	}
	errs = append(errs, c.closeForwards())
	// The kubelet first, or it would start again what is being stopped.
	errs = append(errs, c.stopDaemon("kubelet", unix.SIGTERM, 10*time.Second))
	errs = append(errs, c.stopDaemon(systemdName, unix.SIGTERM, 30*time.Second))
	if c.PID("wazelet") != 0 {
		errs = append(errs, c.removeSandboxes(ctx))
	}
	errs = append(errs, c.endContainerd(ctx))
	for _, name := range []string{"wazelet", "kube-scheduler", "kube-controller-manager"} {
		errs = append(errs, c.stopDaemon(name, unix.SIGTERM, 10*time.Second))
	}
	// What these hold is thrown away: no reason to let them finish.
	for _, name := range []string{metricsServer, "kube-apiserver", "etcd", "registry", "registry-private"} {
		errs = append(errs, c.stopDaemon(name, unix.SIGKILL, 10*time.Second))
	}
	errs = append(errs, c.stopSecureRegistries()...)
	errs = append(errs, dismantle(c.name), c.claim.Close())
	c.claim = nil
	return errors.Join(errs...)
}

// DeletePods deletes every workload and pod of the cluster and waits until they
// are gone from the API server.
func (c *Cluster) DeletePods(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	// Owners first, or they would replace their pods.
	for _, kinds := range []string{"cronjobs,deployments,daemonsets,statefulsets", "jobs,replicasets,replicationcontrollers", "pods"} {
		_, err := c.Kubectl(ctx, "delete", kinds, "--all", "--all-namespaces", "--ignore-not-found", "--wait", "--timeout=60s")
		if err != nil {
			return fmt.Errorf("delete %s: %w", kinds, err)
		}
	}
	return nil
}

// removeSandboxes removes the sandboxes that no kubelet will remove any more.
func (c *Cluster) removeSandboxes(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	if _, err := c.Crictl(ctx, "rmp", "--all", "--force"); err != nil {
		return fmt.Errorf("remove sandboxes: %w", err)
	}
	return nil
}

// RemoveScratch removes the scratch folder, once the laboratory is down.
func (c *Cluster) RemoveScratch() error {
	if c.claim != nil {
		return errors.New("remove scratch folder: the laboratory is up")
	}
	return os.RemoveAll(c.dir)
}
