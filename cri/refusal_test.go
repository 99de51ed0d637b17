// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/runtime/engine/enginetest"
)

func TestErrorsSayWhatToDo(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	pod := n.pod("p")
	podID := n.run(pod)
	text := n.publishModule("text:v1", []byte("#!/bin/sh\necho no module\n"))
	ref := n.publishModule("exit:v1", enginetest.Exit(0))
	imageID := n.pull(ref)
	create := func(change func(*runtimeapi.ContainerConfig)) error {
		config := n.container("c", ref, imageID)
		change(config)
		_, err := n.runtime.CreateContainer(ctx, podID, config, pod)
		return err
	}
	pull := func(ref string) error {
		_, err := n.images.PullImage(ctx, &runtimeapi.ImageSpec{Image: ref}, nil, nil)
		return err
	}
	for name, tt := range map[string]struct {
		err  error
		code codes.Code
		want string
	}{
		"unknown handler": {func() error {
			_, err := n.runtime.RunPodSandbox(ctx, n.pod("q"), "runc")
			return err
		}(), codes.InvalidArgument, `runtime handler "runc" is not configured (known: wasm)`},
		"handler of an image": {func() error {
			_, err := n.images.PullImage(ctx, &runtimeapi.ImageSpec{Image: ref, RuntimeHandler: "runc"}, nil, nil)
			return err
		}(), codes.InvalidArgument, `"runc"`},
		"pod network without CNI": {func() error {
			q := n.pod("q")
			q.Linux.SecurityContext.NamespaceOptions.Network = runtimeapi.NamespaceMode_POD
			_, err := n.runtime.RunPodSandbox(ctx, q, "")
			return err
		}(), codes.FailedPrecondition, filepath.Join(n.dir, "net.d")},
		"image not there":  {pull(n.ref("none:v1")), codes.NotFound, n.ref("none:v1")},
		"not a module":     {pull(text), codes.FailedPrecondition, "not a WebAssembly binary"},
		"image not pulled": {create(func(c *runtimeapi.ContainerConfig) { c.Image.Image = n.ref("none:v1") }), codes.NotFound, n.ref("none:v1")},
		"no such pod": {func() error {
			_, err := n.runtime.CreateContainer(ctx, "0123", n.container("c", ref, imageID), pod)
			return err
		}(), codes.NotFound, "0123"},
		"mount without source": {create(func(c *runtimeapi.ContainerConfig) {
			c.Mounts = []*runtimeapi.Mount{{ContainerPath: "/data", HostPath: filepath.Join(n.dir, "absent")}}
		}), codes.NotFound, filepath.Join(n.dir, "absent")},
		"device that is not there": {create(func(c *runtimeapi.ContainerConfig) {
			c.Devices = []*runtimeapi.Device{{HostPath: "/dev/nothing", ContainerPath: "/dev/nothing", Permissions: "rw"}}
		}), codes.NotFound, "device /dev/nothing: does not exist on the node"},
		"no device": {create(func(c *runtimeapi.ContainerConfig) {
			c.Devices = []*runtimeapi.Device{{HostPath: "/etc/passwd", ContainerPath: "/dev/passwd", Permissions: "rw"}}
		}), codes.InvalidArgument, "device /etc/passwd: is no device"},
		"devices without end": {create(func(c *runtimeapi.ContainerConfig) {
			for range 2000 {
				c.Devices = append(c.Devices, &runtimeapi.Device{HostPath: "/dev/null", ContainerPath: "/dev/x"})
			}
		}), codes.InvalidArgument, "more than 1024 devices"},
		"CDI device that is not there": {create(func(c *runtimeapi.ContainerConfig) {
			c.CDIDevices = []*runtimeapi.CDIDevice{{Name: "vendor.example/class=none"}}
		}), codes.NotFound, "CDI device vendor.example/class=none"},
		"unknown user": {create(func(c *runtimeapi.ContainerConfig) {
			c.Linux = &runtimeapi.LinuxContainerConfig{SecurityContext: &runtimeapi.LinuxContainerSecurityContext{RunAsUsername: "nobody-here"}}
		}), codes.InvalidArgument, "nobody-here"},
		"privileged": {create(func(c *runtimeapi.ContainerConfig) {
			c.Linux = &runtimeapi.LinuxContainerConfig{SecurityContext: &runtimeapi.LinuxContainerSecurityContext{Privileged: true}}
		}), codes.InvalidArgument, "cannot be privileged"},
	} {
		if s := status.Convert(tt.err); s.Code() != tt.code || !strings.Contains(s.Message(), tt.want) {
			t.Errorf("%s: %s %q, want %s and %q", name, s.Code(), s.Message(), tt.code, tt.want)
		}
	}
	if err := pull("127.0.0.1:1/x:v1"); err == nil || !strings.HasPrefix(err.Error(), "RegistryUnavailable: ") {
		t.Errorf("registry that is not there: %v", err)
	}
	if list, err := n.runtime.ListContainers(ctx, nil); err != nil || len(list) != 0 {
		t.Errorf("failed creates left %v, %v", list, err)
	}
}

// TestAbsenceIsNoErrorForStopAndRemove is the rule of the API, as critest has
// it: with ids of a form that this runtime never gives out.
func TestAbsenceIsNoErrorForStopAndRemove(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	const id = "9f6d7a52-6a8e-4b7f-b6a6-0d2b3a3f7c11"
	must(t, n.runtime.StopPodSandbox(ctx, id))
	must(t, n.runtime.RemovePodSandbox(ctx, id))
	must(t, n.runtime.StopContainer(ctx, id, 0))
	must(t, n.runtime.RemoveContainer(ctx, id))
	must(t, n.images.RemoveImage(ctx, &runtimeapi.ImageSpec{Image: strings.Repeat("0", 64)}))
	for name, err := range map[string]error{
		"PodSandboxStatus":   func() error { _, err := n.runtime.PodSandboxStatus(ctx, id, false); return err }(),
		"ContainerStatus":    func() error { _, err := n.runtime.ContainerStatus(ctx, id, false); return err }(),
		"ContainerStats":     func() error { _, err := n.runtime.ContainerStats(ctx, id); return err }(),
		"PodSandboxStats":    func() error { _, err := n.runtime.PodSandboxStats(ctx, id); return err }(),
		"StartContainer":     n.runtime.StartContainer(ctx, id),
		"ReopenContainerLog": n.runtime.ReopenContainerLog(ctx, id),
	} {
		if status.Code(err) != codes.NotFound {
			t.Errorf("%s: %v, want NotFound", name, err)
		}
	}
}
