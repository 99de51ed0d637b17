// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wazelet/wazelet/config"
	"github.com/wazelet/wazelet/packaging"
)

// The daemon's unit, and the link by which the boot starts it.
const (
	daemonName = "wazelet.service"
	unitPath   = unitDir + "/" + daemonName
	wantedPath = unitDir + "/multi-user.target.wants/" + daemonName
)

// crictlPath is where crictl looks for its configuration.
const crictlPath = "/etc/crictl.yaml"

// plan is what is to be put on a node.
type plan struct {
	daemon  []Item // programs, configuration, unit
	kubelet []Item // what tells the kubelet, put in place once the daemon answers
	// kubeletFile is the one of them that names the socket.
	kubeletFile string
	config      config.Config
}

// all are the items in the order they are put in place.
func (p plan) all() []Item { return slices.Concat(p.daemon, p.kubelet) }

// plan says what is to be put on the node.
func (n *node) plan(c configuration) (plan, error) {
	p := plan{config: c.value}
	binDir, err := n.binDir()
	if err != nil {
		return p, err
	}
	if p.daemon, err = n.programs(binDir); err != nil {
		return p, err
	}
	if c.content != nil {
		p.daemon = append(p.daemon, Item{Path: n.Config, Mode: 0o644, Content: c.content})
	}
	if n.services != nil || n.Host.Exists(unitDir) {
		p.daemon = append(p.daemon,
			Item{Path: unitPath, Mode: 0o644, Content: daemonUnit(binDir, n.Config, config.DefaultPath)},
			Item{Path: wantedPath, Link: "../" + daemonName})
	}
	crictl, err := crictlConfig(n.Host, crictlPath, n.endpoint, c.value.GRPC.Address)
	if err != nil {
		return p, err
	}
	if crictl != nil && (n.manifest.file(crictlPath) != nil || !n.Host.same(crictlPath, crictl)) {
		p.daemon = append(p.daemon, Item{Path: crictlPath, Mode: 0o644, Content: crictl})
	}
	if n.NoKubelet {
		return p, nil
	}
	return p, n.planKubelet(&p)
}

// planKubelet chooses how the kubelet is told. A file in its --config-dir is what such
// a directory is for; but flags win over it. A flag is given by a drop-in of the
// kubelet's unit, behind the flags that are there.
func (n *node) planKubelet(p *plan) error {
	own := "unix://" + p.config.GRPC.Address
	dir := n.KubeletConfigDir
	if dir == "" && n.kubelet != nil && n.byConfigDir() {
		dir = n.kubelet.Flags[flagConfigDir]
	}
	var flags []string
	switch {
	case dir != "":
		item, err := n.configDropIn(dir, own)
		if err != nil {
			return err
		}
		p.kubelet, p.kubeletFile = append(p.kubelet, item), item.Path
	case n.services == nil:
		return fmt.Errorf("how the kubelet is started is not known without systemd: name the directory of its --config-dir with --kubelet-config-dir, or give --no-kubelet and set containerRuntimeEndpoint: %s yourself", own)
	default:
		flags = []string{"--" + flagEndpoint + "=" + own}
		if n.kubelet.ImageEndpoint() != "" {
			flags = append(flags, "--"+flagImageEndpoint+"="+own)
		}
	}
	if n.services == nil {
		return nil
	}
	item := Item{Path: filepath.Join(unitDir, n.KubeletUnit+".d", dropInName), Mode: 0o644}
	command, err := n.kubeletCommand(item.Path)
	if err != nil {
		return err
	}
	item.Content = kubeletDropIn(command, flags)
	if flags != nil {
		p.kubeletFile = item.Path
	}
	p.kubelet = append(p.kubelet, item)
	return nil
}

// configDropIn is the file for the kubelet's --config-dir. None that is read after it may
// say otherwise.
func (n *node) configDropIn(dir, own string) (Item, error) {
	item := Item{
		Path: filepath.Join(dir, dropInName), Mode: 0o644,
		Content: []byte(strings.Replace(packaging.KubeletConfig, packaging.Endpoint, own, 1)),
	}
	if n.kubelet == nil {
		return item, nil
	}
	if n.kubelet.ImageEndpoint() != "" {
		item.Content = fmt.Appendf(item.Content, "imageServiceEndpoint: %s\n", own)
	}
	for _, file := range n.kubelet.SetBy {
		if strings.HasPrefix(file, filepath.Clean(dir)+"/") && file > item.Path {
			return item, fmt.Errorf("%s names a runtime, and the kubelet reads it after %s: give it a name that sorts before", file, item.Path)
		}
	}
	return item, nil
}

// byConfigDir says whether a file in the kubelet's --config-dir can tell it, or tells
// it already.
func (n *node) byConfigDir() bool {
	if n.kubelet.Flags[flagConfigDir] == "" {
		return false
	}
	if n.manifest != nil && n.manifest.KubeletFile != "" { // what is on its command line may be ours
		return filepath.Dir(n.manifest.KubeletFile) == filepath.Clean(n.kubelet.Flags[flagConfigDir])
	}
	_, endpoint := n.kubelet.Flags[flagEndpoint]
	_, images := n.kubelet.Flags[flagImageEndpoint]
	return !endpoint && !images
}

// kubeletCommand is what the kubelet is started with, without the drop-in that is ours.
func (n *node) kubeletCommand(own string) (string, error) {
	files, err := n.unit.unitFiles(n.Host)
	if err != nil {
		return "", err
	}
	files = slices.DeleteFunc(files, func(f unitFile) bool { return f.path == own })
	command, by, err := execStart(files)
	isDropIn := strings.HasSuffix(filepath.Dir(by), ".d") // they are read in the order of their names, wherever they are
	if err == nil && isDropIn && filepath.Base(by) > dropInName {
		err = fmt.Errorf("%s says how the kubelet is started, and is read after %s: give it a name that sorts before", by, own)
	}
	return command, err
}
