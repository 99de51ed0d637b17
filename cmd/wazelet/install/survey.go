// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"errors"
	"fmt"

	"github.com/wazelet/wazelet/cri/nodeclient"
)

// node is what is found on a node before anything is changed.
type node struct {
	Options
	services *services // nil where no systemd answers
	manifest *Manifest // of an earlier installation, or nil

	unit     service // the kubelet's
	kubelet  *Kubelet
	endpoint string // of the runtime that Wazelet is put before
	upstream nodeclient.Description
	before   []nodeclient.Process // of its pods
}

// open looks at the node's services and its earlier installation.
func (o Options) open(ctx context.Context) (*node, error) {
	n := &node{Options: o}
	var err error
	if n.manifest, err = o.Host.ReadManifest(o.Config); err != nil {
		return nil, err
	}
	n.services, err = openServices(o.Host)
	if err != nil && !errors.Is(err, errNoSystemd) {
		return nil, err
	}
	if n.services == nil && !o.NoRestart {
		return nil, fmt.Errorf("%w: give --no-restart, start `wazelet serve` and restart the kubelet yourself", err)
	}
	if n.services == nil || o.NoKubelet {
		return n, nil
	}
	if err := n.findKubelet(ctx); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

func (n *node) close() {
	if n.services != nil {
		n.services.close()
	}
}

// findKubelet reads how the kubelet runs: its command line is the truth, whatever
// put it together.
func (n *node) findKubelet(ctx context.Context) error {
	var err error
	if n.unit, err = n.services.look(ctx, n.KubeletUnit); err != nil {
		return err
	}
	switch {
	case !n.unit.loaded:
		return n.noKubelet(ctx)
	case n.unit.pid == 0:
		return fmt.Errorf("%s does not run: start it first, so that its command line can be read", n.KubeletUnit)
	}
	args, err := commandLine(n.Host, n.unit.pid)
	if err != nil {
		return fmt.Errorf("%s: the kubelet's command line: %w", n.KubeletUnit, err)
	}
	kubelet, err := readKubelet(n.Host, args)
	n.kubelet = &kubelet
	return err
}

// embedded are services that have a kubelet inside, and what to do about each.
var embedded = []struct{ unit, advice string }{
	{"k3s", embeddedRuntime}, {"k3s-agent", embeddedRuntime}, {"rke2-server", embeddedRuntime}, {"rke2-agent", embeddedRuntime},
	{"k0scontroller", "k0s runs kubelet and containerd itself: give its worker `--cri-socket` with Wazelet's socket"},
	{"k0sworker", "k0s runs kubelet and containerd itself: give its worker `--cri-socket` with Wazelet's socket"},
	{"snap.microk8s.daemon-kubelite", "MicroK8s starts its kubelet with the flags in /var/snap/microk8s/current/args/kubelet: set --container-runtime-endpoint there"},
}

const embeddedRuntime = "it runs its kubelet and its containerd in one service, and starts no containerd when it is told of another runtime: " +
	"run a containerd of the node's own, give its socket with --endpoint, and set container-runtime-endpoint to Wazelet's socket in the service's configuration"

// noKubelet says what can be done on a node whose kubelet is no service.
func (n *node) noKubelet(ctx context.Context) error {
	for _, other := range embedded {
		found, err := n.services.look(ctx, other.unit+".service")
		if err == nil && found.loaded {
			return fmt.Errorf("%s.service: %s; then install with --no-kubelet", other.unit, other.advice)
		}
	}
	return fmt.Errorf("systemd has no %s: name the kubelet's unit with --kubelet-unit, or give --no-kubelet and tell the kubelet yourself", n.KubeletUnit)
}

// ask finds the runtime that Wazelet is put before, and what runs there.
func (n *node) ask(ctx context.Context, own string) error {
	switch {
	case n.Endpoint != "":
		n.endpoint = socketPath(n.Endpoint)
	case n.manifest != nil:
		n.endpoint = n.manifest.Endpoint
	case n.kubelet != nil:
		n.endpoint = n.kubelet.Endpoint()
	}
	switch n.endpoint {
	case "":
		return errors.New("which runtime the kubelet uses is nowhere to be read: name its socket with --endpoint, such as unix:///run/containerd/containerd.sock")
	case own:
		return fmt.Errorf("the kubelet uses %s, which is Wazelet's own socket, and no manifest tells what it used before: name that with --endpoint", own)
	}
	ctx, cancel := context.WithTimeout(ctx, n.Timeout)
	defer cancel()
	return n.at(n.endpoint, func(c *nodeclient.Client) (err error) {
		if n.upstream, err = c.Describe(ctx); err != nil {
			return err
		}
		if n.upstream.Name == "wazelet" {
			return fmt.Errorf("%s is a Wazelet, not the runtime that is to run containers: name that with --endpoint", n.endpoint)
		}
		n.before, err = c.Processes(ctx)
		return err
	})
}

// at talks to the runtime at a socket of the node's.
func (o Options) at(endpoint string, talk func(*nodeclient.Client) error) error {
	socket, err := o.socket(endpoint)
	if err != nil {
		return err
	}
	client, err := nodeclient.New(socket)
	if err != nil {
		return err
	}
	return errors.Join(talk(client), client.Close())
}
