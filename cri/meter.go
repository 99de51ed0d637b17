// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"time"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"github.com/vishvananda/netlink"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/sandbox"
)

// meter measures pods and containers: anew for who asks for one of them, and from
// its readings for who asks for all.
type meter struct {
	sandboxes *sandbox.Controller
	runtime   *runtime.Controller
	images    *imageservice.Service

	sources    sources
	background *background
	usage      *readings[runtime.Usage]
	stats      *readings[cgroup.Stats]
	layers     *readings[runtime.Layer]
	processes  *readings[runtime.Processes]
	pods       *readings[podReading]
}

func newMeter(o Options) *meter {
	m := &meter{sandboxes: o.Sandboxes, runtime: o.Runtime, images: o.Images, background: newBackground()}
	m.usage = newReadings(m.background, maxAge, sameTime, func(_ context.Context, id string) (runtime.Usage, error) { return m.runtime.Usage(id) })
	m.stats = newReadings(m.background, maxAge, sameTime, func(_ context.Context, id string) (cgroup.Stats, error) { return m.runtime.Stats(id) })
	m.layers = newReadings(m.background, maxLayerAge, maxLayerAge, func(ctx context.Context, id string) (runtime.Layer, error) { return m.runtime.Layer(ctx, id) })
	m.processes = newReadings(m.background, maxAge, maxAge, func(ctx context.Context, id string) (runtime.Processes, error) {
		return m.runtime.Processes(ctx, id)
	})
	m.pods = newReadings(m.background, maxAge, sameTime, func(ctx context.Context, id string) (podReading, error) {
		sb, err := m.sandboxes.Get(id)
		if err != nil {
			return podReading{}, err
		}
		return m.pod(ctx, sb), nil
	})
	return m
}

// measurement is what a container was found to use.
type measurement struct {
	container  runtime.Container
	usage      runtime.Usage
	layer      runtime.Layer
	mountpoint string // of the file system the writable layer is on
}

// at is when the cgroup was read, or else the layer; a time of 0 would be an
// unknown one.
func (m measurement) at() time.Time {
	if m.usage.Time.IsZero() {
		return m.layer.Time
	}
	return m.usage.Time
}

// container measures one now.
func (m *meter) container(ctx context.Context, c runtime.Container) (measurement, error) {
	usage, err := m.runtime.Usage(c.ID)
	if err != nil {
		return measurement{}, err
	}
	layer, err := m.runtime.Layer(ctx, c.ID)
	if err != nil {
		return measurement{}, err
	}
	return m.measurement(ctx, c, usage, layer)
}

// listed is a container as it was measured lately.
func (m *meter) listed(ctx context.Context, c runtime.Container) (measurement, error) {
	usage, err := m.usage.get(ctx, c.ID)
	if err != nil {
		return measurement{}, err
	}
	layer, err := m.layers.get(ctx, c.ID)
	if err != nil {
		return measurement{}, err
	}
	return m.measurement(ctx, c, usage, layer)
}

// detailed is a container as it was measured lately for its metrics, by another
// reading: what only they show takes most of the time to read.
func (m *meter) detailed(ctx context.Context, c runtime.Container) (subject, error) {
	stats, err := m.stats.get(ctx, c.ID)
	if err != nil {
		return subject{}, err
	}
	layer, err := m.layers.get(ctx, c.ID)
	if err != nil {
		return subject{}, err
	}
	processes, err := m.processes.get(ctx, c.ID)
	if err != nil {
		return subject{}, err
	}
	used, err := m.measurement(ctx, c, runtime.Usage{Usage: stats.Usage}, layer)
	return subject{measurement: used, stats: stats, processes: processes}, err
}

func (m *meter) measurement(ctx context.Context, c runtime.Container, u runtime.Usage, l runtime.Layer) (measurement, error) {
	fs, err := m.images.Filesystem(ctx)
	return measurement{container: c, usage: u, layer: l, mountpoint: fs.Mountpoint}, err
}

// all measures those containers that have a process. One that cannot be
// measured is left out: the list must not fail for it, because the kubelet
// decides on eviction by the others.
func all[T any](ctx context.Context, containers []runtime.Container, measure func(context.Context, runtime.Container) (T, error)) []T {
	all := make([]T, 0, len(containers))
	for _, c := range containers {
		if c.State != runtime.StateRunning && c.State != runtime.StateStarting && c.State != runtime.StateCreated {
			continue
		}
		one, err := measure(ctx, c)
		if err != nil {
			notMeasured(ctx, "container_id", c.ID, err)
			continue
		}
		all = append(all, one)
	}
	return all
}

func notMeasured(ctx context.Context, field, id string, err error) {
	if !errdefs.IsNotFound(err) { // removed meanwhile
		log.G(ctx).WithError(err).WithField(field, id).Warn("not measured")
	}
}

// podReading is what a pod was found to use.
type podReading struct {
	runtime.SandboxStats
	at    time.Time
	links []*netlink.LinkAttrs
}

// pod measures a pod's cgroup and network now. The network of an adopted one is the
// other runtime's to tell.
func (m *meter) pod(ctx context.Context, sb sandbox.Sandbox) podReading {
	p := podReading{at: time.Now()}
	var err error
	if p.SandboxStats, err = m.runtime.SandboxStats(sb.ID); err != nil {
		notMeasured(ctx, "sandbox_id", sb.ID, err)
	}
	if sb.NetNS == "" || sb.State != sandbox.StateReady || sb.Adopted {
		return p
	}
	if p.links, err = networkInterfaces(sb.NetNS); err != nil {
		log.G(ctx).WithError(err).WithField("sandbox_id", sb.ID).Warn("network not measured")
	}
	return p
}

// bySandbox sorts all containers to their pods.
func (m *meter) bySandbox() map[string][]runtime.Container {
	of := map[string][]runtime.Container{}
	for _, c := range m.runtime.List() {
		of[c.SandboxID] = append(of[c.SandboxID], c)
	}
	return of
}
