// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"sync/atomic"
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/lab/parts"
)

var nativePlatform = "linux/" + goruntime.GOARCH

// buildGuest builds the web guest; an empty arch is the machine's.
func buildGuest(ctx context.Context, dir, goos, arch string) ([]byte, error) {
	repo, err := parts.Repo()
	if err != nil {
		return nil, err
	}
	out := filepath.Join(dir, "web-"+goos)
	cmd := exec.CommandContext(ctx, "go", "build", "-p", "2", "-trimpath", "-ldflags", "-s -w", "-o", out, "./integration/guests/web")
	cmd.Dir = repo
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos)
	if arch != "" {
		cmd.Env = append(cmd.Env, "GOARCH="+arch)
	}
	if output, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the web guest: %w\n%s", err, output)
	}
	return os.ReadFile(out)
}

// numbers make names that are used once.
var numbers atomic.Int64

// pod is the config of a new pod on the pods' network.
func pod(name string) *runtimeapi.PodSandboxConfig {
	name = fmt.Sprintf("%s-%d", name, numbers.Add(1))
	return &runtimeapi.PodSandboxConfig{
		Metadata:     &runtimeapi.PodSandboxMetadata{Name: name, Namespace: "default", Uid: name},
		Hostname:     name,
		LogDirectory: filepath.Join(cluster.PodLogs(), name),
		Labels:       map[string]string{"app": name},
		Linux: &runtimeapi.LinuxPodSandboxConfig{
			CgroupParent: cluster.CgroupParent("pods"),
			SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{NamespaceOptions: &runtimeapi.NamespaceOption{
				Pid: runtimeapi.NamespaceMode_CONTAINER,
			}},
		},
	}
}

// webPorts is what the kubelet says of a container's ports, by which a Wasm one gets its
// listener.
var webPorts = map[string]string{"io.kubernetes.container.ports": `[{"name":"http","containerPort":8080,"protocol":"TCP"}]`}

// cleanup is a context for what is done when a test has ended.
func cleanup(t testing.TB) context.Context { return context.WithoutCancel(t.Context()) }

// started is a pod with one running container.
type started struct{ pod, container string }

// start runs a pod with one container of an image.
func (c client) start(ctx context.Context, config *runtimeapi.PodSandboxConfig, handler, image string) (s started, err error) {
	sandbox, err := c.RunPodSandbox(ctx, &runtimeapi.RunPodSandboxRequest{Config: config, RuntimeHandler: handler})
	if err != nil {
		return s, err
	}
	s.pod = sandbox.GetPodSandboxId()
	s.container, err = c.add(ctx, s.pod, config, "main", image)
	return s, err
}

// add runs one more container in a pod.
func (c client) add(ctx context.Context, podID string, config *runtimeapi.PodSandboxConfig, name, image string) (id string, err error) {
	pulled, err := c.images.PullImage(ctx, &runtimeapi.PullImageRequest{Image: &runtimeapi.ImageSpec{Image: image}, SandboxConfig: config})
	if err != nil {
		return "", err
	}
	created, err := c.CreateContainer(ctx, &runtimeapi.CreateContainerRequest{PodSandboxId: podID, SandboxConfig: config, Config: &runtimeapi.ContainerConfig{
		Metadata:    &runtimeapi.ContainerMetadata{Name: name},
		Image:       &runtimeapi.ImageSpec{Image: pulled.GetImageRef(), UserSpecifiedImage: image},
		LogPath:     name + ".log",
		Labels:      map[string]string{"container": name},
		Annotations: webPorts,
		Linux:       &runtimeapi.LinuxContainerConfig{},
	}})
	if err != nil {
		return "", err
	}
	_, err = c.StartContainer(ctx, &runtimeapi.StartContainerRequest{ContainerId: created.GetContainerId()})
	return created.GetContainerId(), err
}

// end stops and removes a pod.
func (c client) end(ctx context.Context, podID string) error {
	if _, err := c.StopPodSandbox(ctx, &runtimeapi.StopPodSandboxRequest{PodSandboxId: podID}); err != nil {
		return err
	}
	_, err := c.RemovePodSandbox(ctx, &runtimeapi.RemovePodSandboxRequest{PodSandboxId: podID})
	return err
}

// removeCgroups removes the pods' cgroups, as the kubelet does; with them go those that
// a runtime left which was killed while it made them.
func removeCgroups() error {
	groups, err := filepath.Glob("/sys/fs/cgroup/*" + cluster.CgroupParent("pods"))
	for _, group := range groups {
		below, globErr := filepath.Glob(filepath.Join(group, "*", "cgroup.procs"))
		err = errors.Join(err, globErr)
		for _, file := range below {
			err = errors.Join(err, os.Remove(filepath.Dir(file)))
		}
		err = errors.Join(err, os.Remove(group))
	}
	return err
}

// run is start for a test, which ends the pod.
func (c client) run(t testing.TB, config *runtimeapi.PodSandboxConfig, handler, image string) started {
	t.Helper()
	s, err := c.start(t.Context(), config, handler, image)
	if s.pod != "" {
		t.Cleanup(func() {
			if err := c.end(cleanup(t), s.pod); err != nil {
				t.Error(err)
			}
		})
	}
	must(t, err)
	return s
}
