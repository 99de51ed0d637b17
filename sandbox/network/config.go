// SPDX-License-Identifier: Apache-2.0

package network

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/containerd/errdefs"
	"github.com/containernetworking/cni/libcni"
)

// configuration reads the node's network: the first file of the directory by
// name, as every Kubernetes runtime does. It is read at each use, so that a
// change needs no watcher and none is missed. Its plugins are there: a pod that
// one of them could not attach, it could not detach either.
func (p *Plugin) configuration() (*libcni.NetworkConfigList, error) {
	files, err := libcni.ConfFiles(p.confDir, []string{".conf", ".conflist", ".json"})
	if err != nil {
		return nil, fmt.Errorf("network: %w: %w", err, errdefs.ErrFailedPrecondition)
	}
	for _, file := range files { // ConfFiles sorts by name
		list, err := read(file)
		if err != nil {
			return nil, fmt.Errorf("network: %s: %w: %w", file, err, errdefs.ErrFailedPrecondition)
		}
		if isLoopback(list) {
			continue
		}
		for _, plugin := range list.Plugins {
			if _, err := (&pluginExec{}).FindInPath(plugin.Network.Type, p.binDirs); err != nil {
				return nil, fmt.Errorf("network %s: %w", list.Name, err)
			}
		}
		return list, nil
	}
	return nil, fmt.Errorf("network: no CNI configuration in %s: %w", p.confDir, errdefs.ErrFailedPrecondition)
}

func read(file string) (*libcni.NetworkConfigList, error) {
	if filepath.Ext(file) == ".conflist" {
		return libcni.NetworkConfFromFile(file)
	}
	// The older form, one plugin to a file, is still in use.
	conf, err := libcni.ConfFromFile(file) //nolint:staticcheck // deprecated with the form itself
	if err != nil {
		return nil, err
	}
	return libcni.ConfListFromConf(conf) //nolint:staticcheck // as above
}

// isLoopback: such a file often stands beside the real one. The loopback device
// is set up with the namespace, without a plugin.
func isLoopback(list *libcni.NetworkConfigList) bool {
	for _, plugin := range list.Plugins {
		if plugin.Network.Type != "loopback" {
			return false
		}
	}
	return true
}

// freeze turns a configuration, which may lie in several files, into one value.
func freeze(list *libcni.NetworkConfigList) (json.RawMessage, error) {
	plugins := make([]json.RawMessage, len(list.Plugins))
	for i, plugin := range list.Plugins {
		plugins[i] = plugin.Bytes
	}
	return json.Marshal(map[string]any{
		"cniVersion":             list.CNIVersion,
		"name":                   list.Name,
		"disableCheck":           list.DisableCheck,
		"loadOnlyInlinedPlugins": true,
		"plugins":                plugins,
	})
}
