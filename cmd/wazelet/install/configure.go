// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"regexp"
	"strings"

	"github.com/wazelet/wazelet/config"
	"github.com/wazelet/wazelet/cri/nodeclient"
)

// hybridHandler is the handler of pods that have native containers beside Wasm ones.
const hybridHandler = "wasm-hybrid"

// configHeader begins a configuration that was installed.
const configHeader = "# Written by `wazelet install`, which does not touch it again once it is changed.\n"

// configuration is what the daemon is to have.
type configuration struct {
	value config.Config
	// theirs says that the file is not as it was installed: an administrator has
	// written it. It stays, and must fit.
	theirs bool
	// content is what is written; nil when the file stays as it is.
	content []byte
}

// configuration reads what to start from.
func (n *node) configuration() (c configuration, err error) {
	content, err := n.Host.Read(n.Config)
	switch {
	case err == nil:
		installed := n.manifest.file(n.Config)
		c.theirs = installed == nil || !n.Host.intact(*installed)
	case !errors.Is(err, fs.ErrNotExist):
		return c, err
	}
	switch {
	case n.ConfigFrom != "" && c.theirs:
		return c, fmt.Errorf("%s is not as it was installed: remove it, or leave out --config-from and the node keeps it", n.Config)
	case n.ConfigFrom != "":
		c.value, err = config.Load(n.ConfigFrom)
		return c, err
	case content == nil:
		c.value = config.Default()
		return c, nil
	}
	if c.value, err = config.Read(bytes.NewReader(content)); err != nil {
		err = fmt.Errorf("%s: %w", n.Config, err)
	}
	return c, err
}

// complete puts in what the node's runtime says, and makes the file of it.
func (n *node) complete(c *configuration) error {
	driver := n.upstream.CgroupDriver
	if driver == "" && n.kubelet != nil {
		driver = n.kubelet.CgroupDriver()
	}
	value, err := adopt(c.value, n.endpoint, driver, n.upstream)
	if err != nil {
		return err
	}
	if c.theirs {
		if value.Endpoint() != c.value.Endpoint() || value.Cgroup != c.value.Cgroup {
			return fmt.Errorf("%s was not installed, so it stays, but does not fit: it needs a handler of kind \"delegate\" with endpoint %q as its default_handler, and cgroup.driver %q", n.Config, n.endpoint, driver)
		}
		return nil
	}
	c.value = value
	content, err := value.DumpChanges()
	c.content = append([]byte(configHeader), content...)
	return err
}

// adopt lays what a node's runtime says over a configuration: its socket, as the
// default handler and that of mixed pods; its cgroup driver; its CNI. What the configuration says itself
// stays, unless it cannot work.
func adopt(c config.Config, endpoint, driver string, upstream nodeclient.Description) (config.Config, error) {
	defaults := config.Default()
	switch c.Endpoint() {
	case endpoint:
	case "":
		name := handlerName(upstream.Name)
		handlers := map[string]config.Handler{name: {Kind: config.KindDelegate, Endpoint: endpoint}}
		for own, handler := range c.Handlers {
			if own == name {
				return c, fmt.Errorf("the configuration's handler %q is of kind %q: rename it, that name is for the pods of %s", own, handler.Kind, upstream.Name)
			}
			handlers[own] = handler
		}
		if _, taken := handlers[hybridHandler]; !taken {
			handlers[hybridHandler] = config.Handler{Kind: config.KindHybrid, Endpoint: endpoint}
		}
		c.Handlers, c.DefaultHandler = handlers, name
	default:
		return c, fmt.Errorf("the configuration hands pods to %s, but the runtime is %s", c.Endpoint(), endpoint)
	}
	switch {
	case driver == "" || c.Cgroup.Driver == driver:
	case c.Cgroup == defaults.Cgroup:
		c.Cgroup = config.Cgroup{Driver: driver, Parent: "wazelet.slice"} // the default is cgroupfs
	default:
		return c, fmt.Errorf("the configuration's cgroup.driver is %q, that of %s is %q: a node has one", c.Cgroup.Driver, upstream.Name, driver)
	}
	if reflect.DeepEqual(c.Network, defaults.Network) {
		if len(upstream.CNIBinDirs) > 0 {
			c.Network.BinDirs = upstream.CNIBinDirs
		}
		c.Network.ConfDir = cmp.Or(upstream.CNIConfDir, c.Network.ConfDir)
	}
	return c, c.Validate()
}

// notInHandler is what a handler's name cannot have.
var notInHandler = regexp.MustCompile(`[^a-z0-9]+`)

// handlerName makes a handler's name of a runtime's.
func handlerName(runtime string) string {
	name := strings.Trim(notInHandler.ReplaceAllString(strings.ToLower(runtime), "-"), "-")
	return cmp.Or(name[:min(len(name), 63)], "containers")
}

// endpointLines are the lines of crictl's configuration that name a runtime.
var endpointLines = regexp.MustCompile(`(?m)^(runtime-endpoint|image-endpoint):.*$`)

// crictlConfig is crictl's configuration with another runtime: the present one with
// other endpoints. It is nil when that is for neither runtime, or is right already.
func crictlConfig(h Host, path, upstream, own string) ([]byte, error) {
	content, err := h.Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []byte("runtime-endpoint: unix://" + own + "\nimage-endpoint: unix://" + own + "\n"), nil
	case err != nil:
		return nil, err
	}
	for line := range strings.Lines(string(content)) {
		name, value, _ := strings.Cut(line, ":")
		at := socketPath(strings.Trim(strings.TrimSpace(value), `"'`))
		if name == "runtime-endpoint" && at != upstream && at != own {
			return nil, nil
		}
	}
	return endpointLines.ReplaceAll(content, []byte("$1: unix://"+own)), nil
}
