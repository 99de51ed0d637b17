// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxFile       = 1 << 20          // bytes read of any configuration file
	pluginTimeout = 10 * time.Second // for a plugin to name its versions
	cniAdvice     = "Install a CNI network (your network add-on's manifest does it on a cluster), or correct the file. Pods on the host's network run without."
)

// cniConfig is what the doctor reads of a configuration or a list of them,
// CNI specification section 1.
type cniConfig struct {
	file       string
	CNIVersion string      `json:"cniVersion"`
	Name       string      `json:"name"`
	Type       string      `json:"type"` // of a file that is one plugin's
	IPMasq     bool        `json:"ipMasq"`
	Plugins    []cniPlugin `json:"plugins"`
}

type cniPlugin struct {
	Type   string `json:"type"`
	IPMasq bool   `json:"ipMasq"`
	IPAM   struct {
		Type string `json:"type"`
	} `json:"ipam"`
}

// programs are the plugins that the configuration runs, each once.
func (c cniConfig) programs() []string {
	var names []string
	for _, plugin := range c.Plugins {
		for _, name := range []string{plugin.Type, plugin.IPAM.Type} {
			if name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// uses reports whether one of the plugins is of this type.
func (c cniConfig) uses(plugin string) bool { return slices.Contains(c.programs(), plugin) }

func checkCNIConfig(_ context.Context, o Options) []Finding {
	c, err := readCNI(o.Config.Network.ConfDir)
	if err != nil {
		return fail(err.Error()+": pods get no network", cniAdvice)
	}
	return ok("pod network %q of %s: %s", c.Name, c.file, strings.Join(c.programs(), ", "))
}

// readCNI reads the file that is the pod network: the first by name.
func readCNI(dir string) (cniConfig, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return cniConfig{}, err
	}
	for _, entry := range entries {
		if ext := filepath.Ext(entry.Name()); ext == ".conf" || ext == ".conflist" || ext == ".json" {
			return readCNIFile(filepath.Join(dir, entry.Name()))
		}
	}
	return cniConfig{}, fmt.Errorf("%s: no .conflist, .conf or .json file", dir)
}

func readCNIFile(path string) (cniConfig, error) {
	c := cniConfig{file: path}
	data, err := readBounded(path)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	if c.Type != "" && c.Plugins == nil {
		var single cniPlugin
		if err := json.Unmarshal(data, &single); err != nil {
			return c, fmt.Errorf("%s: %w", path, err)
		}
		c.Plugins = []cniPlugin{single}
	}
	if c.Name == "" || len(c.programs()) == 0 {
		return c, fmt.Errorf("%s: names no network and no plugins", path)
	}
	return c, nil
}

// checkCNIPlugins runs each plugin for its versions, which proves that it is
// there and can be loaded.
func checkCNIPlugins(ctx context.Context, o Options) []Finding {
	c, err := readCNI(o.Config.Network.ConfDir)
	if err != nil {
		return nil // checkCNIConfig has said so
	}
	dirs := strings.Join(o.Config.Network.BinDirs, ", ")
	var findings []Finding
	for _, name := range c.programs() {
		path, err := findPlugin(o.Config.Network.BinDirs, name)
		if err != nil {
			findings = append(findings, fail(fmt.Sprintf("CNI plugin %s is in none of %s", name, dirs),
				"Install it (Debian: containernetworking-plugins), or name its directory in network.bin_dirs.")...)
			continue
		}
		versions, err := pluginVersions(ctx, path, c.CNIVersion)
		switch {
		case err != nil:
			findings = append(findings, fail(fmt.Sprintf("CNI plugin %s does not run: %v", path, err),
				"Install it for this machine's architecture.")...)
		case c.CNIVersion != "" && !slices.Contains(versions, c.CNIVersion):
			findings = append(findings, fail(fmt.Sprintf("CNI plugin %s does not speak version %s of %s", path, c.CNIVersion, c.file),
				"Install a newer plugin, or lower cniVersion in the file to one of "+strings.Join(versions, ", ")+".")...)
		}
	}
	if findings == nil {
		return ok("%s run", strings.Join(c.programs(), ", "))
	}
	return findings
}

// findPlugin searches the directories in order, as CNI does.
func findPlugin(dirs []string, name string) (string, error) {
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", fs.ErrNotExist
}

// pluginVersions runs the VERSION command of the CNI specification.
func pluginVersions(ctx context.Context, path, version string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, pluginTimeout)
	defer cancel()
	request, err := json.Marshal(map[string]string{"cniVersion": version})
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path)
	cmd.Env = []string{"CNI_COMMAND=VERSION", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.Stdin = bytes.NewReader(request)
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var reply struct {
		SupportedVersions []string `json:"supportedVersions"`
	}
	if err := json.Unmarshal(out, &reply); err != nil {
		return nil, fmt.Errorf("its answer to VERSION: %w", err)
	}
	return reply.SupportedVersions, nil
}

func checkForwarding(context.Context, Options) []Finding {
	const sysctl = "net.ipv4.ip_forward"
	if on, err := readSysctl(sysctl); err != nil || !on {
		return warn(sysctl+" is off: pods are not reached from other nodes",
			"Set it to 1 (`sysctl -w "+sysctl+"=1`, and in /etc/sysctl.d).")
	}
	return ok(sysctl + " is on")
}

// checkBridgeNetfilter matters when pods hang on a bridge: then Services and
// policies see their traffic only through it.
func checkBridgeNetfilter(_ context.Context, o Options) []Finding {
	c, err := readCNI(o.Config.Network.ConfDir)
	if err != nil || !c.uses("bridge") {
		return nil
	}
	const sysctl = "net.bridge.bridge-nf-call-iptables"
	switch on, err := readSysctl(sysctl); {
	case errors.Is(err, fs.ErrNotExist):
		return warn("br_netfilter is not loaded: pods on one bridge do not reach each other through Services",
			"Load it (`modprobe br_netfilter`, and name it in /etc/modules-load.d).")
	case err != nil || !on:
		return warn(sysctl+" is off: pods on one bridge do not reach each other through Services",
			"Set it to 1 (`sysctl -w "+sysctl+"=1`, and in /etc/sysctl.d).")
	}
	findings := ok("%s is on", sysctl)
	masq := slices.ContainsFunc(c.Plugins, func(p cniPlugin) bool { return p.IPMasq })
	if _, err := exec.LookPath("iptables"); err != nil && (masq || c.uses("portmap")) {
		findings = append(findings, fail("iptables is not installed, but "+c.file+" asks for masquerading or host ports",
			"Install iptables.")...)
	}
	return findings
}

// readSysctl reads a switch below /proc/sys.
func readSysctl(name string) (bool, error) {
	content, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
	return strings.TrimSpace(string(content)) == "1", err
}

// readBounded reads a file of another program, but no more than any such file
// holds.
func readBounded(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a fifo must not hold the doctor
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s: larger than %d bytes", path, maxFile)
	}
	return data, err
}
