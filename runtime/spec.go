// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime/device"
	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/sandbox"
)

const (
	// terminationAnnotation is where the kubelet names the termination log.
	terminationAnnotation = "io.kubernetes.container.terminationMessagePath"

	wasmPage = 64 << 10 // bytes
	maxPages = 1 << 16  // a 32-bit memory has no more
	// workerShare is what the worker itself may use of a container's memory
	// where the guest's growth must fail before the kernel steps in.
	workerShare = 16 << 20
)

// parts is what a worker spec is made from.
type parts struct {
	container Container
	sandbox   sandbox.Sandbox
	shared    string // the sandbox's folder of hosts, hostname and resolv.conf
	image     imageservice.Image
	root      []mount.Mount
	volumes   map[string][]mount.Mount // the files of images, by id
	devices   device.Edits
	spare     *spare // nil for none
}

// workerSpec puts the pod's wishes and the image's defaults together.
func workerSpec(p parts) (spec.Container, error) {
	c, img := p.container, p.image
	args := c.Config.argv(img.Entrypoint, img.Cmd)
	s := spec.Container{
		ID:                     c.ID,
		Hostname:               p.sandbox.Hostname,
		Cwd:                    c.workingDir(),
		Env:                    c.environment(p.sandbox.Hostname, c.Config.TTY),
		Input:                  c.Config.input(),
		InputOnce:              c.Config.StdinOnce,
		UID:                    c.UID,
		GID:                    c.GID,
		Groups:                 c.Groups,
		Sysctls:                p.sandbox.IPCSysctls(),
		ReadOnlyRoot:           c.Config.ReadOnlyRoot,
		MaskedPaths:            c.Config.MaskedPaths,
		ReadonlyPaths:          c.Config.ReadonlyPaths,
		OOMScoreAdj:            c.Config.OOMScoreAdj,
		TerminationMessagePath: c.Config.Annotations[terminationAnnotation],
		MemoryMaxPages:         c.memoryMaxPages(),
		AppArmor:               c.Config.AppArmorProfile,
		ProcessLabel:           c.Config.SELinux.Process,
		MountLabel:             c.Config.SELinux.Mount,
	}
	if img.Kind == imageservice.KindModule {
		s.Module = &spec.ModuleFile{Name: img.Module.Name}
		// The module is the program whatever the command says, but the guest
		// sees its command line as the user wrote it.
		if len(c.Config.Command) == 0 && len(img.Entrypoint) == 0 && (len(args) == 0 || len(c.Config.Args) > 0) {
			args = append([]string{s.Module.Path()}, c.Config.Args...)
		}
	}
	if len(args) == 0 {
		return s, fmt.Errorf("container %s: image %s has no entrypoint and the container no command: %w",
			c.Config.Name, c.Config.ImageRef, errdefs.ErrInvalidArgument)
	}
	if !filepath.IsAbs(s.Cwd) {
		return s, fmt.Errorf("container %s: working directory %q: not an absolute path: %w",
			c.Config.Name, s.Cwd, errdefs.ErrInvalidArgument)
	}
	s.Args = args
	s.Root = fileSystem(p.root)
	s.Mounts = containerMounts(slices.Concat(c.Config.Mounts, deviceMounts(p.devices)), p.shared, p.volumes, p.devices.Nodes)
	var err error
	if s.NoDialing, err = noDialing(p.sandbox.Annotations); err != nil {
		return s, err
	}
	if s.Outbound, err = outbound(c.Config, p.sandbox.Annotations, s.NoDialing); err != nil {
		return s, err
	}
	if img.Kind == imageservice.KindModule {
		s.Mounts = append(s.Mounts, TrustMounts(s.Outbound, destinations(s.Mounts))...)
	}
	if s.Listeners, err = listeners(c.Config, p.sandbox.Annotations); err != nil {
		return s, err
	}
	s.HTTP, err = serving(c.Config, p.sandbox.Annotations, s.Listeners)
	return s, err
}

// input is what stands behind the container's stdin.
func (c Config) input() spec.Input {
	switch {
	case c.TTY:
		return spec.InputTerminal
	case c.Stdin:
		return spec.InputPipe
	default:
		return spec.InputNone
	}
}

// workingDir is where the container's program and its commands begin.
func (c Container) workingDir() string { return first(c.Config.WorkingDir, c.ImageDir, "/") }

// memoryMaxPages caps the growth of a guest's memory, 0 where the kernel does.
func (c Container) memoryMaxPages() uint32 {
	limit := c.Config.Resources.MemoryLimit
	if !c.Config.MemoryGrowFail || limit <= 0 {
		return 0
	}
	return uint32(min(max(limit-workerShare, limit/2)/wasmPage, maxPages))
}

// environment merges image and pod; the pod wins. PWD carries the working
// directory to guests that look there, since WASI preview 1 has no notion of
// one.
func (c Container) environment(hostname string, tty bool) []string {
	env := slices.Clone(c.ImageEnv)
	for _, kv := range slices.Concat(c.Config.Env, c.DeviceEnv) {
		env = setEnv(env, kv)
	}
	defaults := []string{"PATH=" + spec.DefaultPath, "HOSTNAME=" + hostname, "PWD=" + c.workingDir()}
	if tty {
		defaults = append(defaults, "TERM=xterm")
	}
	for _, kv := range defaults {
		name, _, _ := strings.Cut(kv, "=")
		if !slices.ContainsFunc(env, func(have string) bool { return strings.HasPrefix(have, name+"=") }) {
			env = append(env, kv)
		}
	}
	return env
}

// setEnv sets one variable, in the place of its earlier value if there is one.
func setEnv(env []string, kv string) []string {
	name, _, _ := strings.Cut(kv, "=")
	for i, have := range env {
		if strings.HasPrefix(have, name+"=") {
			env[i] = kv
			return env
		}
	}
	return append(env, kv)
}

// first is the first of the values that is not empty.
func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
