// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// object is a document that is written as JSON. JSON is YAML too, so the
// Kubernetes programs read it, and every value is quoted as it must be.
type object = map[string]any

// Where the API server listens, inside the laboratory.
const apiAddress = "127.0.0.1:6443"

// Where the registries listen, inside the laboratory, and the names images use
// for them (a name below .example belongs to nobody, RFC 2606).
const (
	registryAddress        = "127.0.0.1:5000"
	privateRegistryAddress = "127.0.0.1:5001"

	// Registry is the host part of images in the open registry.
	Registry = "registry.example"
	// PrivateRegistry is the host part of images in the registry that wants
	// RegistryUser and RegistryPassword for pulls and pushes.
	PrivateRegistry = "private.example"
	// RegistryUser may use the private registry.
	RegistryUser = "puller"
	// RegistryPassword is the password of RegistryUser.
	RegistryPassword = "wazelet-lab"
)

// registryPasswd is the private registry's htpasswd file: RegistryPassword, bcrypt.
const registryPasswd = RegistryUser + ":$2a$05$L9m6lWKSRtB3LC7U566J0e5ikGA4pWHcrZT8FCA0komdsTboYAIyy\n"

// writeConfigs writes every configuration file below the scratch folder.
func (c *Cluster) writeConfigs() error {
	for _, dir := range []string{"home", "log", "wazelet", "pods", "kubelet", "kubelet-pki", "cni/conf.d", "cni/leases", "static", "volumeplugins", "cdi"} {
		if err := os.MkdirAll(c.path(dir), 0o755); err != nil {
			return err
		}
	}
	if err := writePKI(c.path("pki")); err != nil {
		return err
	}
	files := map[string]string{
		"tokens.csv":                 c.tokensCSV(),
		"resolv.conf":                "nameserver " + gateway + "\n",
		"crictl.yaml":                fmt.Sprintf("runtime-endpoint: unix://%[1]s\nimage-endpoint: unix://%[1]s\ntimeout: 30\n", c.Socket()),
		"wazelet.toml":               c.wazeletConfig(),
		"htpasswd":                   registryPasswd,
		"cni/conf.d/10-lab.conflist": text(c.cniConfig()),
		"admin.conf":                 text(c.kubeconfig("https://"+apiAddress, c.tokens.admin)),
		"kubelet.conf":               text(c.kubeconfig("https://"+apiAddress, c.tokens.kubelet)),
		"kubelet.yaml":               text(c.kubeletConfig()),
		"registry.yaml":              text(c.registryConfig("registry", registryAddress, nil)),
		"registry-private.yaml": text(c.registryConfig("registry-private", privateRegistryAddress, object{
			"htpasswd": object{"realm": "wazelet-lab", "path": c.path("htpasswd")},
		})),
	}
	hosts := map[string]string{Registry: registryAddress, PrivateRegistry: privateRegistryAddress}
	for _, host := range c.options.Mirrored {
		hosts[host] = registryAddress
	}
	for host, address := range hosts {
		files[filepath.Join("hosts.d", host, "hosts.toml")] = fmt.Sprintf(
			"server = \"http://%[1]s\"\n\n[host.\"http://%[1]s\"]\n  capabilities = [\"pull\", \"resolve\"]\n", address)
	}
	for name, content := range files {
		if err := os.MkdirAll(filepath.Dir(c.path(name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(c.path(name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func text(o object) string {
	b, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		panic(err) // only channels, functions and cycles fail
	}
	return string(b) + "\n"
}

// Namespaces of the registry that the image policy of the runtime under test is
// about.
const (
	SignedScope    = Registry + "/signed"
	PinnedScope    = Registry + "/pinned"
	ForbiddenScope = Registry + "/forbidden"
)

// SigningKey is the file of the public key that images of SignedScope must be
// signed with. Whoever uses it writes it.
func (c *Cluster) SigningKey() string { return c.path("signing.pub") }

// wazeletConfig is the configuration of the runtime under test.
func (c *Cluster) wazeletConfig() string {
	return strings.Join([]string{
		"version = 1",
		fmt.Sprintf("root = %q", c.Root()),
		fmt.Sprintf("state = %q", c.State()),
		c.mixedHandlers(),
		"[grpc]",
		fmt.Sprintf("address = %q", c.Socket()),
		"[log]",
		fmt.Sprintf("level = %q", c.options.LogLevel),
		"[cgroup]",
		`driver = "cgroupfs"`,
		fmt.Sprintf("parent = %q", "/"+c.name+"/wazelet"),
		"[network]",
		fmt.Sprintf("bin_dirs = [%q]", c.part("cni")),
		fmt.Sprintf("conf_dir = %q", c.Networks()),
		"[image]",
		fmt.Sprintf("hosts_dir = %q", c.path("hosts.d")),
		`progress_timeout = "20s"`,
		fmt.Sprintf("pinned = [%s]", quoted(c.options.Pinned)),
		"[image.policy.rules.signed]",
		fmt.Sprintf("scopes = [%q]", SignedScope),
		`accept = "signed"`,
		fmt.Sprintf("keys = [%q]", c.SigningKey()),
		"[image.policy.rules.pinned]",
		fmt.Sprintf("scopes = [%q]", PinnedScope),
		`accept = "anything"`,
		"pinned = true",
		"[image.policy.rules.forbidden]",
		fmt.Sprintf("scopes = [%q]", ForbiddenScope),
		`accept = "nothing"`,
		"[device]",
		fmt.Sprintf("cdi_dirs = [%q]", c.CDI()),
		c.options.WazeletConfig,
		"",
	}, "\n")
}

// quoted are the elements of an array of strings in TOML.
func quoted(list []string) string {
	var out []string
	for _, s := range list {
		out = append(out, strconv.Quote(s))
	}
	return strings.Join(out, ", ")
}

// mixedHandlers are the handlers of a node of both kinds.
func (c *Cluster) mixedHandlers() string {
	if !c.options.Mixed {
		return ""
	}
	return fmt.Sprintf(`default_handler = %[2]q
handlers.wasm = {kind = "wasm"}
handlers.runc = {kind = "delegate", endpoint = %[1]q}
handlers.runc-other = {kind = "delegate", endpoint = %[1]q}
handlers.hybrid = {kind = "hybrid", endpoint = %[1]q}
`, c.ContainerdSocket(), c.options.DefaultHandler)
}

// Networks is the folder of the CNI configurations that runtimes read; the first file by
// name is the network of pods.
func (c *Cluster) Networks() string { return c.path("cni/conf.d") }

func (c *Cluster) cniConfig() object {
	return object{
		"cniVersion": "1.0.0",
		"name":       "lab",
		"plugins": []object{{
			"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
			"ipam": object{
				"type":    "host-local",
				"dataDir": c.path("cni/leases"),
				"ranges":  [][]object{{{"subnet": podCIDR}}, {{"subnet": "2001:db8:88::/64"}}},
				"routes":  []object{{"dst": "0.0.0.0/0"}, {"dst": "::/0"}},
			},
		}, {
			"type": "portmap", "capabilities": object{"portMappings": true},
		}},
	}
}

func (c *Cluster) tokensCSV() string {
	return fmt.Sprintf("%s,admin,admin,system:masters\n%s,system:node:%[3]s,%[3]s,system:nodes\n",
		c.tokens.admin, c.tokens.kubelet, c.options.Node)
}

func (c *Cluster) kubeconfig(server, token string) object {
	return object{
		"apiVersion":      "v1",
		"kind":            "Config",
		"clusters":        []object{{"name": "lab", "cluster": object{"server": server, "certificate-authority": c.path("pki/ca.crt")}}},
		"users":           []object{{"name": "user", "user": object{"token": token}}},
		"contexts":        []object{{"name": "lab", "context": object{"cluster": "lab", "user": "user"}}},
		"current-context": "lab",
	}
}

func (c *Cluster) registryConfig(name, address string, auth object) object {
	config := object{
		"version": "0.1",
		"log":     object{"level": "warn", "accesslog": object{"disabled": true}},
		"storage": object{
			"filesystem": object{"rootdirectory": c.path(name)},
			"delete":     object{"enabled": true},
		},
		"http": object{"addr": address, "secret": c.tokens.admin},
	}
	if auth != nil {
		config["auth"] = auth
	}
	return config
}
