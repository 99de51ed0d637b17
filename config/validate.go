// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	imageref "github.com/distribution/reference"
)

const (
	// maxSocketPath is what fits in sockaddr_un.sun_path with its NUL, unix(7).
	maxSocketPath = 107
	// minCompilerMemory is below what compiling any real module takes.
	minCompilerMemory = 64 << 20
	// maxParallel bounds counts that are meant to be small.
	maxParallel = 1024
	// perMillion is all of a million.
	perMillion = 1_000_000
)

// Validate judges the values; its error is Findings, all of them. It looks at no
// file: a configuration can be checked on another machine.
func (c Config) Validate() error {
	v := &validator{}
	v.absolute("root", c.Root)
	v.absolute("state", c.State)
	v.when(c.Root == c.State, "state", "is the same directory as root, but a reboot may only clear one of them")
	v.socket("grpc.address", c.GRPC.Address)
	v.loopback("streaming.address", c.Streaming.Address)
	v.listener("metrics.address", c.Metrics.Address)
	v.endpoint("tracing.endpoint", c.Tracing.Endpoint)
	v.between("tracing.sampling_rate_per_million", c.Tracing.SamplingRatePerMillion, 0, perMillion)
	v.oneOf("log.level", c.Log.Level)
	v.oneOf("log.format", c.Log.Format)
	v.cgroup(c.Cgroup)
	v.network(c.Network)
	v.image(c.Image)
	for _, dir := range c.Device.CDIDirs {
		v.absolute("device.cdi_dirs", dir)
	}
	v.optionalPath("worker.path", c.Worker.Path)
	v.compiler(c.Compiler)
	v.patience("upstream.last_known", c.Upstream.LastKnown)
	v.handlers(c.Handlers, c.DefaultHandler, c.GRPC.Address)
	return v.findings.asError()
}

// validator collects findings.
type validator struct{ findings Findings }

// finding describes a problem with a key that exists.
func finding(path, problem string) *Finding {
	k, _ := lookup(path)
	return &Finding{Key: path, Problem: problem, Doc: k.doc}
}

func (v *validator) when(wrong bool, path, problem string, args ...any) {
	if wrong {
		v.findings = append(v.findings, finding(path, fmt.Sprintf(problem, args...)))
	}
}

func (v *validator) absolute(path, value string) {
	v.when(!filepath.IsAbs(value), path, "%q is not an absolute path", value)
	v.when(strings.ContainsRune(value, 0), path, "%q holds a NUL byte", value)
	v.when(filepath.IsAbs(value) && filepath.Clean(value) == "/", path, "%q is the root of the file system", value)
}

func (v *validator) optionalPath(path, value string) {
	if value != "" {
		v.absolute(path, value)
	}
}

func (v *validator) socket(path, value string) {
	if name, isURL := strings.CutPrefix(value, "unix://"); isURL {
		v.when(true, path, "%q is a URL; write the path alone: %q", value, name)
		return
	}
	v.absolute(path, value)
	v.when(len(value) > maxSocketPath, path, "%q is longer than the %d bytes of a socket's path", value, maxSocketPath)
}

// loopback checks an address that nobody beyond the node may reach. The port is
// a number: names of services differ between nodes.
func (v *validator) loopback(path, value string) {
	address, err := netip.ParseAddrPort(value)
	v.when(err != nil, path, "%q is not an IP address and a port, such as \"127.0.0.1:0\"", value)
	v.when(err == nil && !address.Addr().IsLoopback(), path, "%q is not a loopback address, such as \"127.0.0.1:0\"", value)
}

// listener checks an address to listen on, which may be absent.
func (v *validator) listener(path, value string) {
	if value == "" {
		return
	}
	_, err := netip.ParseAddrPort(value)
	v.when(err != nil, path, "%q is not an IP address and a port, such as \"127.0.0.1:9410\"", value)
}

// endpoint checks an address to send to, which may be absent.
func (v *validator) endpoint(path, value string) {
	if value == "" {
		return
	}
	host, port, err := net.SplitHostPort(value)
	number, portErr := strconv.ParseUint(port, 10, 16)
	v.when(err != nil || portErr != nil || host == "" || number == 0 || strings.ContainsAny(host, "/@ "), path,
		"%q is not a host and a port, such as \"127.0.0.1:4317\"", value)
}

// oneOf checks a value against the list that the key's description gives.
func (v *validator) oneOf(path, value string) {
	k, _ := lookup(path)
	v.when(!slices.Contains(k.values, value), path, "%q is not one of %s", value, strings.Join(k.values, ", "))
}

func (v *validator) between(path string, value, lowest, highest int) {
	v.when(value < lowest || value > highest, path, "%d is not between %d and %d", value, lowest, highest)
}

// patience checks how long something may take. Less than a second is a number
// that was written without its unit.
func (v *validator) patience(path string, value Duration) {
	text, _ := value.MarshalText()
	v.when(time.Duration(value) < time.Second, path, `%q is less than a second; a duration is written with its unit, such as "5m"`, text)
}

func (v *validator) cgroup(c Cgroup) {
	v.oneOf("cgroup.driver", c.Driver)
	if c.Driver == "systemd" {
		v.when(!strings.HasSuffix(c.Parent, ".slice") || strings.ContainsRune(c.Parent, '/'),
			"cgroup.parent", "%q is not the name of a slice, such as \"wazelet.slice\", which the systemd driver needs", c.Parent)
		return
	}
	v.absolute("cgroup.parent", c.Parent)
	v.when(filepath.Clean(c.Parent) != c.Parent, "cgroup.parent", "%q is not in its shortest form, %q", c.Parent, filepath.Clean(c.Parent))
}

func (v *validator) network(n Network) {
	v.when(len(n.BinDirs) == 0, "network.bin_dirs", "is empty: no plugin can be found")
	for _, dir := range n.BinDirs {
		v.absolute("network.bin_dirs", dir)
	}
	v.absolute("network.conf_dir", n.ConfDir)
	v.between("network.parallelism", n.Parallelism, 0, maxParallel)
}

func (v *validator) image(i Image) {
	v.oneOf("image.snapshotter", i.Snapshotter)
	v.optionalPath("image.hosts_dir", i.HostsDir)
	v.between("image.max_concurrent_downloads", i.MaxConcurrentDownloads, 1, maxParallel)
	v.patience("image.progress_timeout", i.ProgressTimeout)
	for _, name := range i.Pinned {
		_, err := imageref.ParseDockerRef(name)
		v.when(err != nil, "image.pinned", "%q is no image's name: %v", name, err)
	}
	v.policy(i.Policy)
}

// scope is what a rule can be about, see ImageRule.Scopes.
// A registry is known by its dot, port or name from a namespace of Docker Hub.
var scope = regexp.MustCompile(`^(\*(\.[a-zA-Z0-9-]+)+|(localhost|[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)+|[a-zA-Z0-9.-]+:[0-9]+)(:[0-9]+)?(/[a-z0-9._-]+)*)$`)

func (v *validator) policy(p ImagePolicy) {
	v.oneOf("image.policy.default", p.Default)
	owner := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(p.Rules)) {
		path, rule := "image.policy.rules."+name, p.Rules[name]
		v.when(!handlerName.MatchString(name), path, "%q cannot be a rule's name: lower-case letters, digits and '-' (at most 63)", name)
		v.oneOf(path+".accept", rule.Accept)
		v.when(len(rule.Scopes) == 0, path+".scopes", "is empty: the rule is about no image")
		for _, s := range rule.Scopes {
			v.when(!scope.MatchString(s), path+".scopes", "%q is neither a registry, a namespace nor a repository, with the registry's name and without a tag", s)
			v.when(owner[s] != "", path+".scopes", "%q is a scope of rule %s too", s, owner[s])
			owner[s] = name
		}
		v.when(rule.Accept == "signed" && len(rule.Keys) == 0, path+".keys", "is empty: no signature could count")
		v.when(rule.Accept != "signed" && len(rule.Keys) > 0, path+".keys", "is only for rules that accept \"signed\"")
		for _, key := range rule.Keys {
			v.absolute(path+".keys", key)
		}
	}
}

func (v *validator) compiler(c Compiler) {
	least, _ := ByteSize(minCompilerMemory).MarshalText()
	given, _ := c.Memory.MarshalText()
	v.when(c.Memory < minCompilerMemory, "compiler.memory", "%q is less than %q, which no module can be compiled in", given, least)
	v.patience("compiler.timeout", c.Timeout)
	v.between("compiler.parallelism", c.Parallelism, 1, maxParallel)
	room, _ := c.Cache.MarshalText()
	v.when(c.Cache < minCompilerMemory, "compiler.cache", "%q is less than %q, which one large module takes", room, least)
}
