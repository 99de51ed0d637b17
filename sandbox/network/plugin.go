// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/containernetworking/cni/libcni"

	"github.com/wazelet/wazelet/observe"
)

const (
	// ifName is the pod's device; Kubernetes knows one network per pod.
	ifName = "eth0"
	// statusTimeout bounds the STATUS of CNI 1.1: the kubelet asks every 5 s.
	statusTimeout = 4 * time.Second
)

// Options say where things are.
type Options struct {
	BinDirs  []string // plugins, the first that has one wins
	ConfDir  string   // network configurations; may be empty or absent for now
	CacheDir string   // durable: what plugins answered, for detaching
	AtOnce   int      // pods whose plugins run at the same time; 0 is twice the number of processors, at least four
}

// Plugin attaches pods to the node's network and detaches them.
type Plugin struct {
	binDirs []string
	confDir string
	cni     *libcni.CNIConfig
	turns   *turns
}

// Attachment is a pod's place in a network, to be kept until it is detached.
type Attachment struct {
	Network      string          `json:"network"`
	Config       json.RawMessage `json:"config"` // as it was when the pod came
	Args         [][2]string     `json:"args,omitempty"`
	Capabilities map[string]any  `json:"capabilities,omitempty"`
}

// New returns the node's network. That it is not configured yet is no error;
// see [Plugin.Ready].
func New(o Options) (*Plugin, error) {
	if len(o.BinDirs) == 0 || o.ConfDir == "" || o.CacheDir == "" {
		return nil, fmt.Errorf("network: plugin, configuration and cache directories are needed: %w", errdefs.ErrInvalidArgument)
	}
	turns, err := newTurns(o.AtOnce)
	if err != nil {
		return nil, err
	}
	return &Plugin{
		binDirs: o.BinDirs,
		confDir: o.ConfDir,
		turns:   turns,
		cni:     libcni.NewCNIConfigWithCacheDir(o.BinDirs, o.CacheDir, &pluginExec{}),
	}, nil
}

// Ready says why no pod can be attached now, or nil: a configuration is there,
// its plugins are there, and from CNI 1.1 on they say that they are ready. It takes
// no turn: a node that is busy is ready.
func (p *Plugin) Ready() error {
	list, err := p.configuration()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	if err := p.cni.GetStatusNetworkList(ctx, list); err != nil {
		return fmt.Errorf("network %s: %w", list.Name, err)
	}
	return nil
}

// Plan says how pod id would be attached now. Nothing is done yet: the caller
// writes the plan down, then calls [Plugin.Attach] and in the end
// [Plugin.Detach] with it.
func (p *Plugin) Plan(id string, r Request) (*Attachment, error) {
	list, err := p.configuration()
	if err != nil {
		return nil, err
	}
	args, err := r.args(id)
	if err != nil {
		return nil, err
	}
	config, err := freeze(list)
	if err != nil {
		return nil, fmt.Errorf("network %s: %w", list.Name, err)
	}
	return &Attachment{Network: list.Name, Config: config, Args: args, Capabilities: r.capabilities()}, nil
}

// Attach runs the plugins for pod id with the namespace at netns, once few enough of
// other pods' run. After an error that is not [ErrNotBegun] the pod must be detached all
// the same: some plugins may have run.
func (p *Plugin) Attach(ctx context.Context, id, netns string, a *Attachment) (Result, error) {
	list, err := a.list()
	if err != nil {
		return Result{}, err
	}
	done, err := p.turns.take(ctx, attaching)
	if err != nil {
		return Result{}, fmt.Errorf("network %s: %w", a.Network, err)
	}
	defer done()
	ctx, end := observe.Begin(ctx, observe.StepCNI)
	raw, err := p.cni.AddNetworkList(ctx, list, a.runtimeConf(id, netns))
	end(err)
	if err != nil {
		return Result{}, fmt.Errorf("network %s: %w", a.Network, err)
	}
	result, err := fromCNI(raw)
	if err != nil {
		return Result{}, fmt.Errorf("network %s: %w", a.Network, err)
	}
	return result, nil
}

// Detach undoes an Attach, finished or not, and may be repeated. netns is empty
// when the namespace is gone: addresses and rules outside it are freed even so.
func (p *Plugin) Detach(ctx context.Context, id, netns string, a *Attachment) error {
	list, err := a.list()
	if err != nil {
		return err
	}
	done, err := p.turns.take(ctx, detaching)
	if err != nil {
		return fmt.Errorf("network %s: %w", a.Network, err)
	}
	defer done()
	err = observe.Do(ctx, observe.StepDetach, func(ctx context.Context) error {
		return p.cni.DelNetworkList(ctx, list, a.runtimeConf(id, netns))
	})
	if err != nil {
		return fmt.Errorf("network %s: %w", a.Network, err)
	}
	return nil
}

// DetachUnknown detaches a pod of which no Attachment is left, with what the
// cache of results knows of it. A pod it does not know is no error.
func (p *Plugin) DetachUnknown(ctx context.Context, id, netns string) error {
	cached, err := p.cni.GetCachedAttachments(id)
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	var errs []error
	for _, c := range cached {
		a := &Attachment{Network: c.Network, Config: c.Config, Args: c.CniArgs, Capabilities: c.CapabilityArgs}
		errs = append(errs, p.Detach(ctx, id, netns, a))
	}
	return errors.Join(errs...)
}

// Attached lists the ids of the pods that the cache of results knows.
func (p *Plugin) Attached() ([]string, error) {
	cached, err := p.cni.GetCachedAttachments("")
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	ids := make([]string, len(cached))
	for i, c := range cached {
		ids[i] = c.ContainerID
	}
	return ids, nil
}

func (a *Attachment) list() (*libcni.NetworkConfigList, error) {
	list, err := libcni.NetworkConfFromBytes(a.Config)
	if err != nil {
		return nil, fmt.Errorf("network %s: %w", a.Network, err)
	}
	return list, nil
}

func (a *Attachment) runtimeConf(id, netns string) *libcni.RuntimeConf {
	return &libcni.RuntimeConf{
		ContainerID: id, NetNS: netns, IfName: ifName, Args: a.Args, CapabilityArgs: a.Capabilities,
	}
}
