// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/podbench/kube"
	"github.com/wazelet/wazelet/integration/podbench/process"
	"github.com/wazelet/wazelet/integration/podbench/result"
)

// wazeletMetrics is where Wazelet serves its metrics in the laboratory's network.
const wazeletMetrics = "127.0.0.1:9410"

// metricsConfig has Wazelet serve them.
var metricsConfig = fmt.Sprintf("[metrics]\naddress = %q", wazeletMetrics)

// kubeletCommand measures pods through a real control plane and kubelet.
func kubeletCommand(ctx context.Context, args []string) error {
	o, err := parseKubelet(args)
	if err != nil {
		return err
	}
	f, err := measureKubelet(ctx, o)
	return errors.Join(err, o.show(f))
}

// measureKubelet brings up a cluster with both sides, has the kubelet use one after the
// other, and takes all down. What was measured before an error is returned with it.
func measureKubelet(ctx context.Context, o *kubeletOptions) (f *result.File, err error) {
	made, err := build(ctx, os.Stderr, "small")
	if err != nil {
		return nil, err
	}
	if err := lab.Install(ctx, os.Stderr); err != nil {
		return nil, err
	}
	if err := o.prepare(ctx, "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl"); err != nil {
		return nil, err
	}
	options := lab.Options{WazeletConfig: metricsConfig}
	err = o.inLab(ctx, options, func(cluster *lab.Cluster) error {
		if err := cluster.Up(ctx); err != nil {
			return err
		}
		sides, err := kubeletSides(ctx, cluster, o.sides, made["small"])
		if err != nil {
			return err
		}
		f, err = kube.Run(ctx, cluster, sides, &o.plan, os.Stderr)
		return err
	})
	if f != nil {
		f.Machine.Describe()
	}
	return f, err
}

// kubeletSides are the named ones, running, with their images in the registry.
func kubeletSides(ctx context.Context, cluster *lab.Cluster, names string, p programs) (sides []*kube.Side, err error) {
	for name := range strings.SplitSeq(names, ",") {
		side := &kube.Side{Name: name, Metrics: "http://" + wazeletMetrics + "/metrics", Image: fmt.Sprintf("%s/bench/small:%s", lab.Registry, name)}
		side.Pods.Cgroup = cluster.CgroupParent("kubepods")
		switch name {
		case "wazelet":
			side.Socket, side.Class, side.PID = cluster.Socket(), "wasm", cluster.PID("wazelet")
		case "containerd":
			if err := cluster.StartContainerd(ctx); err != nil {
				return nil, err
			}
			side.Metrics = "http://" + lab.ContainerdMetrics + "/v1/metrics"
			side.Socket, side.PID = cluster.ContainerdSocket(), cluster.PID("containerd")
			side.Pods = process.Pods{Cgroup: side.Pods.Cgroup, Shim: "containerd-shim-runc-v2", ShimArg: cluster.ContainerdSocket()}
		default:
			return nil, fmt.Errorf("no side is named %q", name)
		}
		if err := push(ctx, cluster, side.Image, "small", name, p); err != nil {
			return nil, err
		}
		sides = append(sides, side)
	}
	return sides, nil
}
