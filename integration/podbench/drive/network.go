// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// network is one of pods, beside the laboratory's own.
type network struct {
	name string // as its configuration says
	conf string // with a place for the folder of its addresses
}

// ipv4 is the laboratory's network without the second family of addresses: the bridge
// plugin makes rules of masquerading for each pod, in iptables only.
var ipv4 = network{name: "ipv4", conf: `{
  "cniVersion": "1.0.0",
  "name": "ipv4",
  "plugins": [
    {"type": "bridge", "bridge": "cni2", "isGateway": true, "hairpinMode": true, "ipMasq": true,
     "ipam": {"type": "host-local", "dataDir": %q, "ranges": [[{"subnet": "10.89.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`}

// flannel is the network that flannel's agent makes of a node: the bridge plugin as its
// plugin of the same name calls it, and portmap. What comes from a pod is masqueraded by
// rules of the agent's own, once for the node, so the bridge makes none for each pod.
var flannel = network{name: "cbr0", conf: `{
  "cniVersion": "1.0.0",
  "name": "cbr0",
  "plugins": [
    {"type": "bridge", "bridge": "cni1", "mtu": 1450, "isGateway": true, "isDefaultGateway": true, "hairpinMode": true, "ipMasq": false,
     "ipam": {"type": "host-local", "dataDir": %q, "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "10.244.0.0/16"}]}},
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`}

const (
	// networkFile comes before the laboratory's own file by name, so it is the network
	// while it is there.
	networkFile = "00-bench.conflist"
	// noticed bounds how long a runtime may take to see that its network has changed.
	noticed = 20 * time.Second
)

// on does a measurement while the network of pods is n.
func (d *driver) on(n network, do func(context.Context, string) error) func(context.Context, string) error {
	return func(ctx context.Context, name string) (err error) {
		file := filepath.Join(d.plan.Networks, networkFile)
		text := fmt.Sprintf(n.conf, filepath.Join(filepath.Dir(d.plan.Networks), n.name))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
		defer func() {
			err = errors.Join(err, os.Remove(file), d.networkIs(context.WithoutCancel(ctx), n.name, false))
		}()
		if err := d.networkIs(ctx, n.name, true); err != nil {
			return err
		}
		return do(ctx, name)
	}
}

// networkIs waits until every side has seen whether the network is the named one. A side
// that does not say which it has reads it for each pod.
func (d *driver) networkIs(ctx context.Context, network string, is bool) error {
	ctx, cancel := context.WithTimeout(ctx, noticed)
	defer cancel()
	for _, c := range d.clients {
		for {
			status, err := c.runtime.Status(ctx, &runtimeapi.StatusRequest{Verbose: true})
			if err != nil {
				return fmt.Errorf("%s: its network: %w", c.Name, err)
			}
			said := status.Info["cniconfig"]
			if said == "" || strings.Contains(said, `"Name":"`+network+`"`) == is {
				break
			}
			if err := wait(ctx, 50*time.Millisecond); err != nil {
				return fmt.Errorf("%s: its network is not that of the file: %w", c.Name, err)
			}
		}
	}
	return nil
}
