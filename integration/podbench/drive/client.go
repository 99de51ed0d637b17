// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/podbench/process"
)

// client speaks CRI to one side.
type client struct {
	Side
	conn    *grpc.ClientConn
	runtime runtimeapi.RuntimeServiceClient
	images  runtimeapi.ImageServiceClient
}

func connect(side Side) (*client, error) {
	conn, err := grpc.NewClient("unix://"+side.Socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return nil, err
	}
	return &client{
		Side: side, conn: conn,
		runtime: runtimeapi.NewRuntimeServiceClient(conn), images: runtimeapi.NewImageServiceClient(conn),
	}, nil
}

// pods are the processes of the side's pods.
func (c *client) pods() process.Pods {
	return process.Pods{Cgroup: c.CgroupParent, Shim: c.Shim, ShimArg: c.ShimArg}
}

// memoryLimit is what a pod's container may use.
const memoryLimit = 256 << 20

// request describes a pod to start.
type request struct {
	workload string
	bridge   bool   // on the pods' network, not the node's
	port     int    // where it serves; 0 for a pod that serves nothing
	cpus     string // the processors it may use; "" is all
}

// pod is one that was started.
type pod struct {
	client             *client
	request            request
	sandbox, container string
	address            string // where it serves
	config             *runtimeapi.PodSandboxConfig
}

// phases of a pod's start and end, as they are measured.
const (
	phaseSandbox = "RunPodSandbox"
	phaseStatus  = "PodSandboxStatus"
	phaseCreate  = "CreateContainer"
	phaseStart   = "StartContainer"
	phaseAnswer  = "first answer"
	phaseExit    = "exit seen"
)

// Phases are those of a pod's start, in their order.
var Phases = []string{phaseSandbox, phaseStatus, phaseCreate, phaseStart, phaseAnswer}

// times are the durations of phases.
type times map[string]time.Duration

func (t times) take(phase string, since time.Time) { t[phase] += time.Since(since) }

// run starts a pod: what a kubelet does from RunPodSandbox to StartContainer.
func (c *client) run(ctx context.Context, r request, t times) (*pod, error) {
	name := "bench-" + rand.Text()[:10]
	p := &pod{client: c, request: r, address: fmt.Sprintf("127.0.0.1:%d", r.port)}
	network, hostname := runtimeapi.NamespaceMode_NODE, ""
	if r.bridge {
		network, hostname = runtimeapi.NamespaceMode_POD, name
	}
	p.config = &runtimeapi.PodSandboxConfig{
		Metadata: &runtimeapi.PodSandboxMetadata{Name: name, Uid: name, Namespace: "bench"},
		Hostname: hostname, LogDirectory: filepath.Join(c.Logs, name),
		Labels: map[string]string{"bench": r.workload},
		Linux: &runtimeapi.LinuxPodSandboxConfig{
			CgroupParent: c.CgroupParent,
			SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{
				NamespaceOptions: &runtimeapi.NamespaceOption{Network: network, Pid: runtimeapi.NamespaceMode_CONTAINER},
				Seccomp:          &runtimeapi.SecurityProfile{ProfileType: runtimeapi.SecurityProfile_RuntimeDefault},
			},
		},
	}
	start := time.Now()
	sandbox, err := c.runtime.RunPodSandbox(ctx, &runtimeapi.RunPodSandboxRequest{Config: p.config, RuntimeHandler: c.Handler})
	t.take(phaseSandbox, start)
	if err != nil {
		return nil, err
	}
	p.sandbox = sandbox.PodSandboxId
	return p, p.start(ctx, t)
}

// start makes and starts the pod's container.
func (p *pod) start(ctx context.Context, t times) error {
	c, start := p.client, time.Now()
	status, err := c.runtime.PodSandboxStatus(ctx, &runtimeapi.PodSandboxStatusRequest{PodSandboxId: p.sandbox})
	t.take(phaseStatus, start)
	if err != nil {
		return err
	}
	if p.request.bridge {
		p.address = fmt.Sprintf("%s:%d", status.Status.Network.GetIp(), p.request.port)
	}
	start = time.Now()
	created, err := c.runtime.CreateContainer(ctx, &runtimeapi.CreateContainerRequest{
		PodSandboxId: p.sandbox, Config: p.containerConfig(), SandboxConfig: p.config,
	})
	t.take(phaseCreate, start)
	if err != nil {
		return err
	}
	p.container = created.ContainerId
	start = time.Now()
	_, err = c.runtime.StartContainer(ctx, &runtimeapi.StartContainerRequest{ContainerId: p.container})
	t.take(phaseStart, start)
	return err
}

func (p *pod) containerConfig() *runtimeapi.ContainerConfig {
	image := p.client.Images[p.request.workload]
	config := &runtimeapi.ContainerConfig{
		Metadata: &runtimeapi.ContainerMetadata{Name: "main"},
		Image:    &runtimeapi.ImageSpec{Image: image, UserSpecifiedImage: image},
		LogPath:  "main_0.log", Annotations: maps.Clone(p.client.Annotations),
		Linux: &runtimeapi.LinuxContainerConfig{
			Resources: &runtimeapi.LinuxContainerResources{MemoryLimitInBytes: memoryLimit, CpuShares: 102, CpusetCpus: p.request.cpus},
			SecurityContext: &runtimeapi.LinuxContainerSecurityContext{
				NamespaceOptions: p.config.Linux.SecurityContext.NamespaceOptions,
				Seccomp:          p.config.Linux.SecurityContext.Seccomp,
				NoNewPrivs:       true,
			},
		},
	}
	if port := p.request.port; port != 0 {
		// A native program is told the port, a Wasm program is handed its listener.
		config.Args = []string{fmt.Sprint(port)}
		if config.Annotations == nil {
			config.Annotations = map[string]string{}
		}
		config.Annotations["io.kubernetes.container.ports"] = fmt.Sprintf(`[{"name":"http","containerPort":%d,"protocol":"TCP"}]`, port)
	}
	return config
}

// remove stops and removes the pod as a kubelet does, without a grace period.
func (p *pod) remove(ctx context.Context) error {
	r := p.client.runtime
	if p.container != "" {
		if _, err := r.StopContainer(ctx, &runtimeapi.StopContainerRequest{ContainerId: p.container}); err != nil {
			return err
		}
		if _, err := r.RemoveContainer(ctx, &runtimeapi.RemoveContainerRequest{ContainerId: p.container}); err != nil {
			return err
		}
	}
	if _, err := r.StopPodSandbox(ctx, &runtimeapi.StopPodSandboxRequest{PodSandboxId: p.sandbox}); err != nil {
		return err
	}
	_, err := r.RemovePodSandbox(ctx, &runtimeapi.RemovePodSandboxRequest{PodSandboxId: p.sandbox})
	return err
}
