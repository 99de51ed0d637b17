// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/moby/sys/signal"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/runtime/lsm"
	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/sandbox"
)

// Config is what a caller asks of a container. It is kept as given: CRI
// clients rebuild their own state from what List and Status echo.
type Config struct {
	// Name and Attempt identify the container within its sandbox; a second
	// Create with the same pair joins or returns the first.
	Name    string `json:"name"`
	Attempt uint32 `json:"attempt,omitempty"`

	// ImageRef is the image as the user wrote it, ImageID the digest of the
	// config blob it was resolved to.
	ImageRef string `json:"image_ref,omitempty"`
	ImageID  string `json:"image_id,omitempty"`

	// Command replaces the image's entrypoint, Args its cmd (as in a pod).
	Command    []string `json:"command,omitempty"`
	Args       []string `json:"args,omitempty"`
	Env        []string `json:"env,omitempty"`         // KEY=value, in order
	WorkingDir string   `json:"working_dir,omitempty"` // "" is the image's

	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Mounts      []Mount           `json:"mounts,omitempty"`
	Devices     []Device          `json:"devices,omitempty"`
	CDIDevices  []string          `json:"cdi_devices,omitempty"` // VENDOR/CLASS=DEVICE
	LogPath     string            `json:"log_path,omitempty"`    // relative to the sandbox's log directory; "" is no log

	Resources   cgroup.Resources `json:"resources,omitzero"`
	OOMScoreAdj int              `json:"oom_score_adj,omitempty"`

	User User `json:"user,omitzero"`
	// SeccompProfile is a profile of the node, an absolute path, on top of the
	// filter that every worker has; "" for none.
	SeccompProfile string `json:"seccomp_profile,omitempty"`
	// AppArmorProfile is a profile that is loaded on the node, by its name; "" for
	// none.
	AppArmorProfile string `json:"apparmor_profile,omitempty"`
	// SELinux is the container's labels; the zero value leaves it with the
	// daemon's.
	SELinux        lsm.Labels `json:"selinux,omitzero"`
	ReadOnlyRoot   bool       `json:"read_only_root,omitempty"`
	MaskedPaths    []string   `json:"masked_paths,omitempty"`
	ReadonlyPaths  []string   `json:"readonly_paths,omitempty"`
	Stdin          bool       `json:"stdin,omitempty"`
	StdinOnce      bool       `json:"stdin_once,omitempty"`
	TTY            bool       `json:"tty,omitempty"`
	StopSignal     string     `json:"stop_signal,omitempty"`      // "" is the image's
	MemoryGrowFail bool       `json:"memory_grow_fail,omitempty"` // growth past the limit fails in the guest instead of an OOM kill
}

// Mount brings a file or directory of the host, or of an image, into a
// container.
type Mount struct {
	ContainerPath     string      `json:"container_path,omitempty"`
	HostPath          string      `json:"host_path,omitempty"`
	ReadOnly          bool        `json:"read_only,omitempty"`
	RecursiveReadOnly bool        `json:"recursive_read_only,omitempty"`
	Propagation       Propagation `json:"propagation,omitempty"`
	// Relabel gives the source, and all below it, the container's SELinux label.
	Relabel bool `json:"relabel,omitempty"`
	// Options are attributes of the mount as mount(8) names them, such as
	// "noexec".
	Options []string `json:"options,omitempty"`
	// UIDs and GIDs are set where the mount's files are to appear with the pod's
	// ids; they are the pod's mapping then.
	UIDs []sandbox.IDMap `json:"uids,omitempty"`
	GIDs []sandbox.IDMap `json:"gids,omitempty"`

	// Image is set instead of HostPath: the image whose files are shown,
	// read-only. Create turns any name of it into its id. ImageRef is the image
	// as the user wrote it, ImageSubPath the part of it that is shown, "" for
	// all of it.
	Image        string `json:"image,omitempty"`
	ImageRef     string `json:"image_ref,omitempty"`
	ImageSubPath string `json:"image_sub_path,omitempty"`
}

// Device brings a device of the host into a container.
type Device struct {
	HostPath      string `json:"host_path"`
	ContainerPath string `json:"container_path"`
	Permissions   string `json:"permissions,omitempty"` // of "r", "w" and "m"; "" is all
}

// Propagation says which later mounts cross between host and container, as
// mount(8) names them.
type Propagation string

// The propagation modes that there are: none, and from the node to the
// container. A guest makes no mounts that could go the other way.
const (
	PropagationPrivate Propagation = "private"
	PropagationSlave   Propagation = "rslave"
)

// User is whom a container runs as. The zero value is the image's user.
type User struct {
	UID    *int64  `json:"uid,omitempty"`
	GID    *int64  `json:"gid,omitempty"`
	Name   string  `json:"name,omitempty"` // a user of the image, when UID is nil
	Groups []int64 `json:"groups,omitempty"`
	// StrictGroups leaves out the groups that the image's /etc/group gives the
	// user (SupplementalGroupsPolicy Strict of the API).
	StrictGroups bool `json:"strict_groups,omitempty"`
}

// Container is one container's configuration and state at one moment. It is a
// value: changes made to it change nothing.
type Container struct {
	ID        string `json:"id"`
	SandboxID string `json:"sandbox_id"`
	Config    Config `json:"config,omitempty"`

	State State `json:"state"`
	// Pid is the worker's process id, 0 when there is none; PidStart its start
	// time in clock ticks since boot (proc_pid_stat(5) field 22), which tells
	// it from a later process of the same id.
	Pid      int    `json:"pid,omitempty"`
	PidStart uint64 `json:"pid_start,omitempty"`
	// BootID is the kernel's boot the worker lived in.
	BootID string `json:"boot_id,omitempty"`

	CreatedAt  time.Time `json:"created_at"`
	StartedAt  time.Time `json:"started_at,omitzero"`  // zero until started
	FinishedAt time.Time `json:"finished_at,omitzero"` // zero until ended

	ExitCode int32 `json:"exit_code,omitempty"`
	// Reason is one word for machines: Completed, Error, OOMKilled or Unknown;
	// Message is for people.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`

	// Stopping says that the worker has had its stop signal.
	Stopping bool `json:"stopping,omitempty"`

	// LogFile is the absolute path of the log, "" when there is none.
	LogFile string `json:"log_file,omitempty"`
	// CgroupParent is the group the container's own group lies in.
	CgroupParent string `json:"cgroup_parent,omitempty"`
	// UID, GID and Groups are what Config.User was resolved to; GID is the first
	// of Groups.
	UID    uint32   `json:"uid,omitempty"`
	GID    uint32   `json:"gid,omitempty"`
	Groups []uint32 `json:"groups,omitempty"`
	// ImageEnv and ImageDir are the image's environment and working directory, as
	// they were when the container was made.
	ImageEnv []string `json:"image_env,omitempty"`
	// DeviceEnv is what its devices add (CDI).
	DeviceEnv []string `json:"device_env,omitempty"`
	ImageDir  string   `json:"image_dir,omitempty"`
}

// Exit reasons, as containerd and the kubelet spell them.
const (
	ReasonCompleted = spec.ReasonCompleted
	ReasonError     = spec.ReasonError
	ReasonOOMKilled = "OOMKilled"
	ReasonUnknown   = "Unknown"
)

// Exit codes the runtime itself gives.
const (
	exitKilled  = 137 // 128 + SIGKILL
	exitUnknown = 255 // the worker's end was not seen, e.g. across a reboot
)

// key is what makes two Create calls the same call.
func (c Config) key(sandboxID string) string {
	return nameKey(sandboxID, c.Name, c.Attempt)
}

// argv is the command line the container's process gets: the image's
// entrypoint and cmd overridden by command and args as for any container.
func (c Config) argv(entrypoint, cmd []string) []string {
	switch {
	case len(c.Command) > 0:
		return slices.Concat(c.Command, c.Args)
	case len(c.Args) > 0:
		return slices.Concat(entrypoint, c.Args)
	default:
		return slices.Concat(entrypoint, cmd)
	}
}

// stopSignal is what asks the container to end. A worker obeys the signals that
// programs are told to end by; any other would be lost on it.
func (c Config) stopSignal() syscall.Signal {
	asked, err := signal.ParseSignal(c.StopSignal)
	switch asked {
	case syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGKILL:
		if err == nil {
			return asked
		}
	}
	return syscall.SIGTERM
}

// logFile is the absolute path of the container's log, "" when it has none.
func (c Config) logFile(sandboxLogs string) string {
	if c.LogPath == "" || sandboxLogs == "" {
		return ""
	}
	return filepath.Join(sandboxLogs, filepath.Join("/", c.LogPath))
}
