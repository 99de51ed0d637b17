// SPDX-License-Identifier: Apache-2.0

// Package node is the node that tests have in a virtual machine (package vm): the
// wazelet binaries of this checkout, a registry with images, and the kubelet's own
// client of the runtime's interface.
package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log" //nolint:depguard // the registry's, which is silenced
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-containerregistry/pkg/registry"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	criclient "k8s.io/cri-client/pkg"
	"k8s.io/klog/v2"

	"github.com/wazelet/wazelet/integration/lab/image"
	"github.com/wazelet/wazelet/integration/vm"
)

const (
	registryAddress = "127.0.0.1:5000"
	socket          = "/run/wazelet/wazelet.sock"
	root            = "/var/lib/wazelet"
	logFile         = "/var/log/wazelet"
	// Logs is the folder of the pods' logs.
	Logs = "/var/log/pods"
	// startPatience bounds the daemon's start; the machine is an emulated one.
	startPatience = 5 * time.Minute
)

// Node is a running daemon.
type Node struct {
	Runtime internalapi.RuntimeService
	Images  internalapi.ImageManagerService

	daemon *exec.Cmd
}

// Image is an image of files in the node's registry. Its programs lie at its root
// as NAME.wasm, and it runs the one named main.
type Image struct {
	Name     string
	Programs map[string][]byte
}

// Ref is the image's reference.
func (i Image) Ref() string { return registryAddress + "/" + i.Name + ":1" }

// Start starts the daemon and a registry with the images.
func Start(ctx context.Context, images ...Image) (*Node, error) {
	// The kubelet's client tells of each error that a test wants.
	klog.SetLogger(logr.Discard())
	if err := push(ctx, images); err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	n := &Node{}
	if err := n.serve(); err != nil {
		return nil, err
	}
	err := n.connect(ctx)
	if err != nil {
		err = errors.Join(err, n.Stop())
	}
	return n, err
}

// serve starts the daemon.
func (n *Node) serve() error {
	config := "/etc/wazelet.toml"
	text := strings.Join([]string{
		"version = 1",
		fmt.Sprintf("root = %q", root),
		`state = "/run/wazelet"`,
		"[grpc]",
		fmt.Sprintf("address = %q", socket),
		"[log]",
		`level = "debug"`,
		"[cgroup]",
		`driver = "cgroupfs"`,
		`parent = "/wazelet"`,
		"[worker]",
		"toolbox = false", // compiling it takes minutes on an emulated processor
		"",
	}, "\n")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	said, err := os.Create(logFile)
	if err != nil {
		return err
	}
	defer said.Close()
	n.daemon = exec.Command(vm.Wazelet, "serve", "--config", config)
	n.daemon.Stdout, n.daemon.Stderr = said, said
	return n.daemon.Start()
}

// connect waits until the daemon answers.
func (n *Node) connect(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	endpoint := "unix://" + socket
	for {
		if n.Runtime, err = criclient.NewRemoteRuntimeServiceBuilder().WithEndpoint(endpoint).WithConnectionTimeout(startPatience).Build(ctx); err == nil {
			if _, err = n.Runtime.Status(ctx, false); err == nil {
				break
			}
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("wazelet does not answer: %w\n%s", err, n.Log())
		}
	}
	n.Images, err = criclient.NewRemoteImageServiceBuilder().WithEndpoint(endpoint).WithConnectionTimeout(startPatience).Build(ctx)
	return err
}

// Log is what the daemon has said.
func (n *Node) Log() string {
	text, err := os.ReadFile(logFile)
	return string(text) + errorText(err)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Stop ends the daemon.
func (n *Node) Stop() error {
	return errors.Join(n.daemon.Process.Signal(os.Interrupt), n.daemon.Wait())
}

// push serves a registry for as long as the tests run, and stores the images.
func push(ctx context.Context, images []Image) error {
	l, err := net.Listen("tcp", registryAddress)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0))), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	to := image.Registry{Dial: func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", registryAddress)
	}}
	for _, i := range images {
		files := []image.File{{Path: "/tmp/", Mode: 0o777}}
		for name, module := range i.Programs {
			files = append(files, image.File{Path: "/" + name + ".wasm", Content: module})
		}
		img, err := image.Files(image.Config{Entrypoint: []string{"/main.wasm"}}, files...)
		if err != nil {
			return err
		}
		if _, err := to.Push(ctx, i.Ref(), img); err != nil {
			return err
		}
	}
	return nil
}

// Sandbox returns the configuration of a pod on the node's network.
func Sandbox(name string) *runtimeapi.PodSandboxConfig {
	return &runtimeapi.PodSandboxConfig{
		Metadata:     &runtimeapi.PodSandboxMetadata{Name: name, Namespace: "default", Uid: name},
		LogDirectory: filepath.Join(Logs, name),
		Linux: &runtimeapi.LinuxPodSandboxConfig{SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{
			NamespaceOptions: &runtimeapi.NamespaceOption{Network: runtimeapi.NamespaceMode_NODE},
		}},
	}
}

// Container returns the configuration of a container that runs an image.
func Container(from Image) *runtimeapi.ContainerConfig {
	return &runtimeapi.ContainerConfig{
		Metadata: &runtimeapi.ContainerMetadata{Name: "main"},
		Image:    &runtimeapi.ImageSpec{Image: from.Ref()},
		LogPath:  "main.log",
		Linux: &runtimeapi.LinuxContainerConfig{
			Resources:       &runtimeapi.LinuxContainerResources{},
			SecurityContext: &runtimeapi.LinuxContainerSecurityContext{},
		},
	}
}
