// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/wazelet/wazelet/cmd/wazelet/install"
)

// kubeletConfig is what the doctor reads of a KubeletConfiguration,
// kubelet.config.k8s.io/v1beta1.
type kubeletConfig struct {
	Kind                     string `yaml:"kind"`
	ContainerRuntimeEndpoint string `yaml:"containerRuntimeEndpoint"`
	ImageServiceEndpoint     string `yaml:"imageServiceEndpoint"`
	CgroupDriver             string `yaml:"cgroupDriver"`
	FailCgroupV1             *bool  `yaml:"failCgroupV1"`
}

func checkKubelet(_ context.Context, o Options) []Finding {
	return examineKubelet(o, unified(cgroupRoot))
}

// examineKubelet holds the kubelet's configuration against Wazelet's, on a
// node with cgroup v2 or v1.
func examineKubelet(o Options, cgroupV2 bool) []Finding {
	endpoint := "unix://" + o.Config.GRPC.Address
	var k kubeletConfig
	err := readYAML(o.KubeletConfig, &k)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return warn("the kubelet has no configuration at "+o.KubeletConfig,
			"Name it with --kubelet-config; on a node that joins later, give it containerRuntimeEndpoint: "+endpoint+".")
	case err != nil:
		return fail(err.Error(), "Correct the kubelet's configuration.")
	case k.Kind != "" && k.Kind != "KubeletConfiguration":
		return fail(o.KubeletConfig+" is a "+k.Kind, "Name the kubelet's configuration with --kubelet-config.")
	}
	pointer, err := installedPointer(o)
	if err != nil {
		return fail(err.Error(), "Correct it, or install again: `wazelet install`.")
	}
	var findings []Finding
	if pointer == "" { // else what these look at has no say
		findings = examineEndpoints(o.KubeletConfig, endpoint, k)
		findings = append(findings, examineFlags(filepath.Join(filepath.Dir(o.KubeletConfig), "kubeadm-flags.env"), endpoint)...)
		pointer = o.KubeletConfig
	}
	if k.CgroupDriver != "" && k.CgroupDriver != o.Config.Cgroup.Driver {
		findings = append(findings, warn(
			fmt.Sprintf("%s: cgroupDriver is %s, but the kubelet takes %s over from Wazelet", o.KubeletConfig, k.CgroupDriver, o.Config.Cgroup.Driver),
			"Make cgroup.driver and cgroupDriver agree, so that nobody is misled.")...)
	}
	if !cgroupV2 && (k.FailCgroupV1 == nil || *k.FailCgroupV1) {
		findings = append(findings, fail(o.KubeletConfig+": failCgroupV1 is on, and this node has cgroup v1: the kubelet will not start",
			"Boot with cgroup v2 (systemd.unified_cgroup_hierarchy=1), or set failCgroupV1: false.")...)
	}
	if findings == nil {
		return ok("%s points here", pointer)
	}
	return findings
}

// installedPointer is the file by which `wazelet install` has told the kubelet: it wins
// over the kubelet's configuration. It is empty where it did not, or where the file was
// changed since.
func installedPointer(o Options) (string, error) {
	if o.ConfigPath == "" {
		return "", nil
	}
	const node = install.Host("/")
	m, err := node.ReadManifest(o.ConfigPath)
	if err != nil || m == nil {
		return "", err
	}
	return m.Points(node), nil
}

func examineEndpoints(file, endpoint string, k kubeletConfig) []Finding {
	var findings []Finding
	switch {
	case k.ContainerRuntimeEndpoint == "":
		findings = fail(file+": containerRuntimeEndpoint is not set", "Set it to "+endpoint+".")
	case !sameEndpoint(k.ContainerRuntimeEndpoint, endpoint):
		findings = fail(file+": containerRuntimeEndpoint is "+k.ContainerRuntimeEndpoint+", not this Wazelet",
			"Set it to "+endpoint+", or set grpc.address to the path the kubelet uses.")
	}
	if k.ImageServiceEndpoint != "" && !sameEndpoint(k.ImageServiceEndpoint, endpoint) {
		findings = append(findings, fail(file+": imageServiceEndpoint is "+k.ImageServiceEndpoint+": images would be pulled where no pod finds them",
			"Remove it: images come through the runtime's endpoint.")...)
	}
	return findings
}

// examineFlags looks into the file in which kubeadm keeps kubelet flags, which
// win over the configuration.
func examineFlags(file, endpoint string) []Finding {
	content, err := readBounded(file)
	if err != nil {
		return nil // not made by kubeadm
	}
	const flag = "--container-runtime-endpoint="
	for word := range strings.FieldsSeq(string(content)) {
		_, value, found := strings.Cut(strings.Trim(word, `"'`), flag)
		if found && !sameEndpoint(value, endpoint) {
			return fail(file+" sets "+flag+value+", which wins over the kubelet's configuration",
				"Remove the flag there, or set it to "+endpoint+".")
		}
	}
	return nil
}

// crictlConfig is what the doctor reads of crictl's configuration.
type crictlConfig struct {
	RuntimeEndpoint string `yaml:"runtime-endpoint"`
	ImageEndpoint   string `yaml:"image-endpoint"`
}

func checkCrictl(_ context.Context, o Options) []Finding {
	endpoint := "unix://" + o.Config.GRPC.Address
	mend := "Set runtime-endpoint: " + endpoint + " there; a sample comes with Wazelet."
	var c crictlConfig
	err := readYAML(o.CrictlConfig, &c)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return warn("crictl is not told where Wazelet is: there is no "+o.CrictlConfig, mend)
	case err != nil:
		return warn(err.Error(), "Correct crictl's configuration.")
	case !sameEndpoint(c.RuntimeEndpoint, endpoint):
		return warn(fmt.Sprintf("%s: runtime-endpoint is %q, not this Wazelet", o.CrictlConfig, c.RuntimeEndpoint), mend)
	case c.ImageEndpoint != "" && !sameEndpoint(c.ImageEndpoint, endpoint):
		return warn(fmt.Sprintf("%s: image-endpoint is %q, not this Wazelet", o.CrictlConfig, c.ImageEndpoint), "Remove it, or set it to "+endpoint+".")
	}
	return ok("%s points here", o.CrictlConfig)
}

// sameEndpoint compares two socket addresses, of which the given one may be a
// bare path, as old configurations write it.
func sameEndpoint(given, want string) bool {
	path := func(endpoint string) string { return filepath.Clean(strings.TrimPrefix(endpoint, "unix://")) }
	return path(given) == path(want)
}

// readYAML reads a file of one YAML document (or JSON, which is YAML).
func readYAML(path string, into any) error {
	data, err := readBounded(path)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
