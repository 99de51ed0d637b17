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

// flannel is the network that flannel's agent makes of a node: the bridge plugin as its
// plugin of the same name calls it, and portmap. What comes from a pod is masqueraded by
// rules of the agent's own, once for the node, so the bridge makes none for each pod.
const flannel = `{
  "cniVersion": "1.0.0",
  "name": "` + flannelName + `",
  "plugins": [
    {"type": "bridge", "bridge": "cni1", "mtu": 1450, "isGateway": true, "isDefaultGateway": true, "hairpinMode": true, "ipMasq": false,
     "ipam": {"type": "host-local", "dataDir": %q, "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "10.244.0.0/16"}]}},
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`

const (
	flannelName = "cbr0"
	// flannelFile comes before the laboratory's own file by name, so it is the network
	// while it is there.
	flannelFile = "00-flannel.conflist"
	// noticed bounds how long a runtime may take to see that its network has changed.
	noticed = 20 * time.Second
)

// onFlannel does a measurement while the network of pods is flannel's.
func (d *driver) onFlannel(do func(context.Context, string) error) func(context.Context, string) error {
	return func(ctx context.Context, name string) (err error) {
		file := filepath.Join(d.plan.Networks, flannelFile)
		text := fmt.Sprintf(flannel, filepath.Join(filepath.Dir(d.plan.Networks), "flannel"))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
		defer func() {
			err = errors.Join(err, os.Remove(file), d.networkIs(context.WithoutCancel(ctx), flannelName, false))
		}()
		if err := d.networkIs(ctx, flannelName, true); err != nil {
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
