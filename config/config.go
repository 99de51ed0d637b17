// SPDX-License-Identifier: Apache-2.0

// Package config holds the daemon's configuration: one versioned TOML file,
// decoded strictly over the defaults, validated as a whole, and printed back
// with its documentation.
//
// The comment of each field below is that key's only documentation. It is read
// from this file, which the program embeds, for `wazelet config default`, for
// docs/configuration.md and for the findings of `wazelet config check`.
package config

import "slices"

// Version is the version of the file format that this program writes. Older
// ones are migrated when they are read; newer ones are refused.
const Version = 1

// DefaultPath is the file that is read when none is named.
const DefaultPath = "/etc/wazelet/config.toml"

// Config is the whole file. Default gives the values of keys that are absent.
type Config struct {
	// Version of this file's format. Required; this release writes and reads version 1.
	Version int `toml:"version"`

	// Directory for what survives a reboot: images, compiled modules, and the records of pods. One daemon at a time may use it.
	Root string `toml:"root"`

	// Directory for what a reboot ends: sockets, network namespaces, and the files made for each pod. It belongs on a tmpfs.
	State string `toml:"state"`

	// Handler of pods that name none: those without a RuntimeClass. It must be one of the handlers below.
	DefaultHandler string `toml:"default_handler"`

	// The socket that the kubelet and crictl talk to.
	GRPC GRPC `toml:"grpc"`

	// The server of the streams that the kubelet opens beside CRI, such as those of kubectl port-forward.
	Streaming Streaming `toml:"streaming"`

	// The daemon's own log, written to standard error.
	Log Log `toml:"log"`

	// Wazelet's own metrics, for Prometheus. Those of pods are the kubelet's to serve.
	Metrics Metrics `toml:"metrics"`

	// OpenTelemetry traces of what the kubelet asks for. The keys are those of the kubelet's own `tracing`.
	Tracing Tracing `toml:"tracing"`

	// Where containers are put in the cgroup hierarchy, and who makes their cgroups.
	Cgroup Cgroup `toml:"cgroup"`

	// The CNI plugins that give pods their network.
	Network Network `toml:"network"`

	// Pulling images and keeping them.
	Image Image `toml:"image"`

	// Devices that pods are given by name.
	Device Device `toml:"device"`

	// The process that each container runs in.
	Worker Worker `toml:"worker"`

	// The confined process that turns a module into machine code, once, when its image is pulled.
	Compiler Compiler `toml:"compiler"`

	// The CRI runtime that pods of handlers of kind `delegate` and `hybrid` are handed to.
	Upstream Upstream `toml:"upstream"`

	// What a RuntimeClass can name as its handler. The handlers of the file replace the default one; each has its own table, `[handlers.NAME]`.
	Handlers map[string]Handler `toml:"handlers"`
}

// GRPC is the table grpc.
type GRPC struct {
	// Path of the unix socket. The kubelet's containerRuntimeEndpoint is this path after `unix://`.
	Address string `toml:"address"`
}

// Streaming is the table streaming.
type Streaming struct {
	// Where it listens, `IP:port`. The kubelet, on the same node, is told the address with each stream, so that port 0, any free one, is enough. The IP must be a loopback one: whoever knows a stream's URL may use it.
	Address string `toml:"address"`
}

// Log is the table log.
type Log struct {
	// The least severe messages that are written.
	Level string `toml:"level" values:"trace,debug,info,warn,error"`

	// One line of key=value pairs per message, or one JSON object.
	Format string `toml:"format" values:"text,json"`
}

// Metrics is the table metrics.
type Metrics struct {
	// Where `/metrics` is served, `IP:port`, such as `127.0.0.1:9410`, without TLS or authentication. Empty turns it off.
	Address string `toml:"address"`
}

// Tracing is the table tracing.
type Tracing struct {
	// The collector that spans are sent to, `host:port`, by OTLP over gRPC without TLS: it belongs on the node, as the kubelet's does. Empty turns tracing off.
	Endpoint string `toml:"endpoint"`

	// How many of a million calls are traced of those that come without a decision. A call that the kubelet traces is part of its trace, and one that it does not is none.
	SamplingRatePerMillion int `toml:"sampling_rate_per_million"`
}

// Cgroup is the table cgroup.
type Cgroup struct {
	// Who makes cgroups: `cgroupfs` writes to the file system, `systemd` asks the init system. The kubelet takes this value over; it must be systemd where systemd manages the hierarchy.
	Driver string `toml:"driver" values:"cgroupfs,systemd"`

	// Parent of pods for which the kubelet (or crictl) names none. A path from the hierarchy's root for cgroupfs, a slice's name for systemd.
	Parent string `toml:"parent"`
}

// Network is the table network.
type Network struct {
	// Directories that are searched for CNI plugin programs, in this order.
	BinDirs []string `toml:"bin_dirs"`

	// Directory of CNI configuration. The first file by name is the pod network; a changed file is taken up at once.
	ConfDir string `toml:"conf_dir"`

	// Pods whose plugins run at the same time, to attach them to the network or to detach them. 0 is twice the number of processors, and at least four.
	Parallelism int `toml:"parallelism"`
}

// Image is the table image.
type Image struct {
	// How the layers of an image become a container's root: `overlay` stacks them, `native` copies them and works on every file system.
	Snapshotter string `toml:"snapshotter" values:"overlay,native"`

	// Directory of registry settings, `HOST/hosts.toml` in the format containerd reads: mirrors, certificates, plain HTTP. Empty turns it off.
	HostsDir string `toml:"hosts_dir"`

	// Layers that one pull transfers at the same time.
	MaxConcurrentDownloads int `toml:"max_concurrent_downloads"`

	// A pull is given up when nothing has arrived for this long.
	ProgressTimeout Duration `toml:"progress_timeout"`

	// Names of images that the kubelet's image collection leaves alone, as pods name them, by tag or by digest.
	Pinned []string `toml:"pinned"`

	// Which images are taken. It is asked at each pull, before anything but an image's manifest is fetched; a refusal is in the pod's event.
	Policy ImagePolicy `toml:"policy"`
}

// ImagePolicy is the table image.policy.
type ImagePolicy struct {
	// What becomes of images that no rule is about.
	Default string `toml:"default" values:"anything,nothing"`

	// Rules about repositories; the one with the narrowest scope counts. Each has its own table, `[image.policy.rules.NAME]`.
	Rules map[string]ImageRule `toml:"rules"`
}

// ImageRule is one table of image.policy.rules.
type ImageRule struct {
	// Registries, namespaces or repositories that the rule is about: `registry.example`, `registry.example/team`, `registry.example/team/app`; `*.example` is every registry of the domain. Docker Hub is `docker.io`, its own images `docker.io/library`.
	Scopes []string `toml:"scopes"`

	// What is taken. `signed`: images with a signature of cosign's by one of the keys.
	Accept string `toml:"accept" values:"anything,nothing,signed"`

	// Take only images that are named by their digest, `NAME@sha256:…`.
	Pinned bool `toml:"pinned"`

	// Files with the public keys, in PEM. They are read at each pull.
	Keys []string `toml:"keys"`

	// Take signatures made for other repositories, as those of images that were copied.
	AnyIdentity bool `toml:"any_identity"`
}

// Device is the table device.
type Device struct {
	// Directories of Container Device Interface (CDI) files, which device plugins and drivers write. Of two files that name one device, that of the later directory counts. An empty list turns CDI off.
	CDIDirs []string `toml:"cdi_dirs"`
}

// Worker is the table worker.
type Worker struct {
	// The wazelet-worker program, with wazelet-worker-http beside it. Empty means the one beside wazelet itself. Both must be of the same release.
	Path string `toml:"path"`

	// Whether commands that an image has not, such as the sh of `kubectl exec -it POD -- sh`, are served by the built-in toolbox.
	Toolbox bool `toml:"toolbox"`
}

// Compiler is the table compiler.
type Compiler struct {
	// Memory that compiling one module may take. A module that needs more fails its pull.
	Memory ByteSize `toml:"memory"`

	// Time that compiling one module may take.
	Timeout Duration `toml:"timeout"`

	// Modules that are compiled at the same time.
	Parallelism int `toml:"parallelism"`

	// Room for compiled modules. Beyond it, those go that were not used the longest; they are compiled again when a container needs them.
	Cache ByteSize `toml:"cache"`
}

// Upstream is the table upstream.
type Upstream struct {
	// How long the pods of an upstream runtime that does not answer are still shown as they were last seen. The kubelet would take pods that are missing from a list for dead; after this time it is told Unavailable instead, which makes the whole node NotReady.
	LastKnown Duration `toml:"last_known"`
}

// Handler is one table of handlers.
type Handler struct {
	// What runs the pods of this handler. `wasm`: WebAssembly modules, each in a worker process. `delegate`: the upstream CRI runtime, such as containerd, which is given every request as it comes, with this handler's name. `hybrid`: the upstream runtime makes the pod and runs those of its containers that are not WebAssembly.
	Kind string `toml:"kind" values:"wasm,delegate,hybrid"`

	// Path of the upstream runtime's CRI socket, for `delegate` and `hybrid`. There is one upstream runtime per node: all handlers that have one name the same.
	Endpoint string `toml:"endpoint"`

	// For `hybrid`: the upstream runtime's own name for the handler that makes the pod and runs its native containers. Empty is the upstream runtime's default.
	UpstreamHandler string `toml:"upstream_handler"`
}

// Endpoint is the path of the upstream runtime's socket, or empty where all pods are WebAssembly.
func (c Config) Endpoint() string {
	for _, h := range c.Handlers {
		if h.Endpoint != "" {
			return h.Endpoint
		}
	}
	return ""
}

// HandlersOf are the names of the handlers of one kind, sorted.
func (c Config) HandlersOf(kind string) []string {
	var names []string
	for name, h := range c.Handlers {
		if h.Kind == kind {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Hybrids are the handlers of kind hybrid, each with the upstream runtime's own handler.
func (c Config) Hybrids() map[string]string {
	hybrids := map[string]string{}
	for name, h := range c.Handlers {
		if h.Kind == KindHybrid {
			hybrids[name] = h.UpstreamHandler
		}
	}
	return hybrids
}
