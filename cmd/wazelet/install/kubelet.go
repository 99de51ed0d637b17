// SPDX-License-Identifier: Apache-2.0

package install

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Flags of the kubelet's that are looked at, and the extension of drop-ins in its
// --config-dir.
const (
	flagEndpoint      = "container-runtime-endpoint"
	flagImageEndpoint = "image-service-endpoint"
	flagConfig        = "config"
	flagConfigDir     = "config-dir"
	dropInExtension   = ".conf"
)

// Kubelet is how a node's kubelet is set up: its command line, which wins, then the
// drop-ins of its --config-dir, the last one first, then its --config.
type Kubelet struct {
	Flags  map[string]string // as given last on the command line
	Config kubeletConfig     // file and drop-ins, merged
	// SetBy are the files, in the order they are read, that name a runtime endpoint.
	SetBy []string
}

// kubeletConfig is what is read of a KubeletConfiguration,
// kubelet.config.k8s.io/v1beta1.
type kubeletConfig struct {
	ContainerRuntimeEndpoint *string `yaml:"containerRuntimeEndpoint"`
	ImageServiceEndpoint     *string `yaml:"imageServiceEndpoint"`
	CgroupDriver             *string `yaml:"cgroupDriver"`
	HealthzBindAddress       *string `yaml:"healthzBindAddress"`
	HealthzPort              *int    `yaml:"healthzPort"`
}

// readKubelet reads a kubelet's set-up by its command line.
func readKubelet(h Host, args []string) (Kubelet, error) {
	k := Kubelet{Flags: parseFlags(args)}
	if file := k.Flags[flagConfig]; file != "" {
		if err := k.read(h, file); err != nil {
			return k, err
		}
	}
	if dir := k.Flags[flagConfigDir]; dir != "" {
		files, err := dropIns(h, dir)
		if err != nil {
			return k, err
		}
		for _, file := range files {
			if err := k.read(h, file); err != nil {
				return k, err
			}
		}
	}
	return k, nil
}

// parseFlags reads a command line as the kubelet's flag library does: --name=value or
// --name value; of a flag given twice, the last counts. Underscores are hyphens.
func parseFlags(args []string) map[string]string {
	flags := map[string]string{}
	for i := 0; i < len(args); i++ {
		word, isFlag := strings.CutPrefix(args[i], "--")
		if !isFlag {
			continue
		}
		name, value, has := strings.Cut(word, "=")
		if !has && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			i++
			value = args[i]
		}
		flags[strings.ReplaceAll(name, "_", "-")] = value
	}
	return flags
}

// read lays a configuration file over what is known.
func (k *Kubelet) read(h Host, file string) error {
	content, err := h.Read(file)
	if err != nil {
		return fmt.Errorf("the kubelet's configuration: %w", err)
	}
	var one kubeletConfig
	if err := yaml.Unmarshal(content, &one); err != nil {
		return fmt.Errorf("the kubelet's configuration %s: %w", file, err)
	}
	if one.ContainerRuntimeEndpoint != nil {
		k.SetBy = append(k.SetBy, file)
	}
	// Decoded once more over the rest: keys that are absent leave what is there.
	return yaml.Unmarshal(content, &k.Config)
}

// dropIns are the files that the kubelet reads from its --config-dir, in its order.
func dropIns(h Host, dir string) ([]string, error) {
	root, err := h.Path(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Ext(path) == dropInExtension {
			files = append(files, filepath.Join(dir, strings.TrimPrefix(path, root)))
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return files, err
}

// Endpoint is the runtime socket that the kubelet uses, as a path; empty when nothing
// names one.
func (k Kubelet) Endpoint() string {
	return socketPath(k.value(flagEndpoint, k.Config.ContainerRuntimeEndpoint))
}

// ImageEndpoint is the socket of a separate image service, or empty.
func (k Kubelet) ImageEndpoint() string {
	return socketPath(k.value(flagImageEndpoint, k.Config.ImageServiceEndpoint))
}

func (k Kubelet) value(flag string, configured *string) string {
	if value, given := k.Flags[flag]; given {
		return value
	}
	if configured != nil {
		return *configured
	}
	return ""
}

// CgroupDriver is the driver that the kubelet uses with a runtime that names none.
func (k Kubelet) CgroupDriver() string {
	if driver := k.value("cgroup-driver", k.Config.CgroupDriver); driver != "" {
		return driver
	}
	return "cgroupfs" // the kubelet's own default
}

// Healthz is the URL at which the kubelet says that it is well; empty when that is
// turned off.
func (k Kubelet) Healthz() string {
	address, port := "127.0.0.1", "10248" // the kubelet's own defaults
	if k.Config.HealthzBindAddress != nil && *k.Config.HealthzBindAddress != "" {
		address = *k.Config.HealthzBindAddress
	}
	if k.Config.HealthzPort != nil {
		port = strconv.Itoa(*k.Config.HealthzPort)
	}
	if given, has := k.Flags["healthz-port"]; has {
		port = given
	}
	if given, has := k.Flags["healthz-bind-address"]; has {
		address = given
	}
	if port == "0" {
		return ""
	}
	if ip := net.ParseIP(address); ip != nil && ip.IsUnspecified() {
		address = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(address, port) + "/healthz"
}

// socketPath is the path in an endpoint, which old configurations write without a
// scheme.
func socketPath(endpoint string) string {
	if endpoint == "" {
		return ""
	}
	return filepath.Clean(strings.TrimPrefix(endpoint, "unix://"))
}

// commandLine reads that of a process of the node's.
func commandLine(h Host, pid int) ([]string, error) {
	content, err := os.ReadFile(filepath.Join(h.proc(), strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(content), "\x00"), "\x00"), nil
}

// proc is where the node's processes are seen: below the host's root if that is
// mounted whole, in an installer that shares the node's pid namespace otherwise.
func (h Host) proc() string {
	if mounted := filepath.Join(string(h), "proc"); h != "/" && h != "" {
		if _, err := os.Stat(filepath.Join(mounted, "1", "cmdline")); err == nil {
			return mounted
		}
	}
	return "/proc"
}
