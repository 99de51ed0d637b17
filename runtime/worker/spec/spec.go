// SPDX-License-Identifier: Apache-2.0

// Package spec holds what the daemon and a worker process say to each other:
// the description of a container, the messages of the set-up dialog and the
// exit record. It has no dependencies, because both sides import it and the
// worker must stay small.
//
// The dialog on the set-up socket, after the daemon has put the worker into
// its cgroup (for a command run in a container, an [Exec] takes the place of the
// Container, and there is no root to build):
//
//	daemon → worker   Container  (+ the module's file for an artifact)
//	daemon → worker   Sources    (+ mounts; in a pod's user namespace, and as often as needed)
//	                             the worker builds the root and pivots
//	worker → daemon   Entered    (with an SELinux label of the container's own)
//	daemon → worker   Container  (+ procfs; then too)
//	                             the worker confines itself
//	worker → daemon   Resolved   (+ the module's file)
//	daemon → worker   Compiled   (+ the directory with the compiled code)
//	                             the worker loads the module
//	worker → daemon   Ready
//
// A worker that was started before its container was known is sent [Files] before
// all of this.
//
// Either side may send a [Failure] instead of its next message and stop. A
// worker that reads the end of the stream before it has sent Ready exits
// without a record: nothing half-made stays behind.
package spec

//go:generate go tool easyjson -all -no_std_marshalers -pkg -output_filename spec_easyjson.go .
//go:generate sed -i "/easyjson\"$/d;/easyjson[.]Marshaler$/d" spec_easyjson.go

import (
	"path"
	"strings"
	"time"
)

// File descriptors a worker process is started with. Descriptors 0 to 2 are
// /dev/null, or the caller's own stdio for a foreground run.
const (
	SetupFD   = 3 // unix stream: the set-up dialog
	ControlFD = 4 // listening unix stream: control calls (container mode)
	ExitFD    = 5 // the exit record's file, write-only (container mode)
	LogFD     = 6 // the CRI log file, append-only (container mode)
	// InputFD is how attached clients reach the guest (container mode): the
	// write end of its stdin's pipe, or the master of its terminal.
	InputFD = 7
	// CallsFD is the file of package calls, or /dev/null (container mode).
	CallsFD = 8
)

// ContainerFDs are the descriptors of a container's worker but for SetupFD, in the order
// in which [Files] brings them.
var ContainerFDs = [...]int{0, 1, 2, ControlFD, ExitFD, LogFD, InputFD, CallsFD}

// Files brings a worker that was started before its container was known what others are
// born with: ContainerFDs, of which it has placeholders.
type Files struct {
	Terminal bool // descriptor 0 is to become its controlling terminal
}

// DefaultPath is the PATH of a container that neither its image nor its pod
// gives one.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Container describes one container completely. It is the first message of
// the set-up dialog.
type Container struct {
	ID       string   // the container's id, for messages
	Args     []string // argv as the guest sees it; Args[0] names the module unless Module is set
	Env      []string // KEY=value
	Cwd      string   // the guest's working directory, absolute; "" is /; created when absent
	Hostname string   // "" leaves the pod's UTS name alone

	UID    uint32
	GID    uint32
	Groups []uint32 // supplementary groups

	// Sysctls are those of the IPC namespace, by their files below /proc/sys.
	Sysctls map[string]string

	// Seccomp is a filter on top of the worker's own, in force once the module
	// is loaded; nil for none.
	Seccomp *Seccomp

	// AppArmor is the profile of the node that the process has once the module is
	// loaded, "" for the daemon's own.
	AppArmor string

	// ProcessLabel is the SELinux label the process runs with, "" for the daemon's
	// own. A process gets it by executing a program, so the worker executes itself
	// anew when the root is built, and is told all again ([Entered]). MountLabel is
	// the label of the files of the root and of new file systems.
	ProcessLabel, MountLabel string

	// Root is the root file system as the snapshotter gives it, mounted in
	// order on one another. Empty means an empty tmpfs.
	Root         []Mount
	ReadOnlyRoot bool

	Mounts        []Mount  // made in order, inside the root
	MaskedPaths   []string // hidden: files read empty, directories list empty
	ReadonlyPaths []string // turned read-only, with everything below

	// Module is set for an image that is a module and nothing else: its file
	// comes with this message, is shown read-only at /Module.Name, and runs
	// whatever Args[0] says, but for the export it may name ([CutExport]).
	Module *ModuleFile

	// NoDirs leaves the guest without any directory, even its root.
	NoDirs bool

	// Listeners are the sockets the guest is handed, in this order, after its
	// root directory. They are opened in the pod's network namespace.
	Listeners []Listener

	// HTTP makes the worker serve on Listeners itself, with one run of the
	// module per request; nil hands them to the guest.
	HTTP *HTTP

	// NoDialing leaves the guest with Listeners as its only sockets: it can
	// open and connect no other, and send datagrams only as answers.
	NoDialing bool

	// Outbound is which HTTP requests the guest may make by host functions; nil is
	// none. They need the worker that has a client (launch.Options).
	Outbound *Outbound

	// OOMScoreAdj is the kernel's preference for killing this process when
	// memory is short, -1000 to 1000. Lowering it needs a privilege the
	// daemon itself may lack; then it stays as it is.
	OOMScoreAdj int

	// TerminationMessagePath is where the container's last words go, inside
	// the root; "" for none. The worker fills it when the guest trapped and
	// left it empty.
	TerminationMessagePath string

	// Foreground makes the guest's stdio this process's own instead of the
	// log.
	Foreground bool

	// Input says what stands behind descriptor 0 and InputFD: nothing, a pipe,
	// or a terminal, which is then the guest's stdout and stderr as well.
	Input Input
	// InputOnce ends the guest's stdin when the first client that was attached
	// to it is done (pipes only).
	InputOnce bool

	// Rootless says that the worker is in a user namespace with one id
	// mapped, where groups cannot be set.
	Rootless bool

	// UserNS says that the worker is in a user namespace with the pod's mapping
	// of ids. It has no rights on the host: what mounts show comes as [Sources],
	// and the module's file with them.
	UserNS bool

	// MemoryMaxPages caps the growth of the guest's memory, in 64 KiB pages;
	// 0 leaves it to the module and to the cgroup's limit.
	MemoryMaxPages uint32
}

// Sources returns how many detached mounts follow the container in its user
// namespace, in messages of several: a procfs, the module's, those of Mounts that
// are binds or images, in their order, and the root's if there is one.
func (c *Container) Sources() int {
	if !c.UserNS {
		return 0
	}
	n := 1
	if len(c.Root) > 0 {
		n++
	}
	if c.Module != nil {
		n++
	}
	for _, m := range c.Mounts {
		if m.Type == MountBind || m.Type == MountImage {
			n++
		}
	}
	return n
}

// Sources brings some of a container's detached mounts; see [Container.Sources].
type Sources struct{}

// Entered says that the worker has built its root, stands in it and has executed
// itself with the container's label. The daemon answers with the [Container] once
// more, and a procfs.
type Entered struct{}

// Input is the kind of a container's stdin.
type Input string

// Kinds of stdin.
const (
	InputNone     Input = "" // reads meet the end of the file
	InputPipe     Input = "pipe"
	InputTerminal Input = "terminal"
)

// Exec describes a command that runs beside a container's guest, in the
// container's namespaces and cgroup. Its stdio is what the process is started
// with. It is the first message of its set-up dialog; the set-up socket stays
// open after Ready, and the command ends when the daemon's end of it does.
type Exec struct {
	ID   string   // the container's
	Args []string // argv as the guest sees it; Args[0] names the module
	Env  []string // KEY=value
	Cwd  string   // absolute; "" is /

	UID    uint32
	GID    uint32
	Groups []uint32

	// UserNS says that the command is in a user namespace with the pod's mapping
	// of ids; a procfs comes with this message then.
	UserNS bool

	// NoDialing, Outbound, MemoryMaxPages, Seccomp and AppArmor are the container's.
	NoDialing      bool
	Outbound       *Outbound
	MemoryMaxPages uint32
	Seccomp        *Seccomp
	AppArmor       string
}

// SignalsName is the name in LISTEN_FDNAMES under which a program of the daemon's
// own gets the interrupts (Ctrl-C) of its terminal: a connection with a byte for each.
// Any other program ends by them.
const SignalsName = "signals"

// Seccomp is a filter on system calls as the kernel takes it (seccomp(2)). It
// forbids filters after it.
type Seccomp struct {
	Filter []Instruction
	Log    bool // log what is not allowed (SECCOMP_FILTER_FLAG_LOG)
}

// Instruction is one of a classic BPF program (struct sock_filter).
type Instruction struct {
	Code        uint16
	True, False uint8 // how many instructions to jump over
	K           uint32
}

// Listener is a socket that a guest is handed.
type Listener struct {
	Name    string // in LISTEN_FDNAMES; "" is "unknown"
	Network string // "tcp" or "udp"
	Address string // "ADDRESS:PORT"; an empty ADDRESS is every one of the pod's
}

// HTTP says how a worker serves requests with its module.
type HTTP struct {
	Concurrency int           // how many run at once
	Timeout     time.Duration // how long one may
}

// CutExport takes "path#export" apart: a program, and the function of its module
// that runs in place of _start. It is tried on a name that no file has.
func CutExport(name string) (program, export string, ok bool) {
	i := strings.LastIndexByte(name, '#')
	if i < 1 || i == len(name)-1 {
		return name, "", false
	}
	return name[:i], name[i+1:], true
}

// ModuleFile is the module of an artifact.
type ModuleFile struct {
	Name string // the file's name in the container's root
}

// Path returns where the module is shown: a file at the root, whatever
// directories the name may carry.
func (m *ModuleFile) Path() string { return path.Join("/", path.Base(path.Clean("/"+m.Name))) }

// Mount types that the worker makes itself; any other type is a file system
// the kernel mounts with the given source and options.
const (
	MountBind   = "bind"
	MountTmpfs  = "tmpfs"
	MountImage  = "image"  // the files of an image, always read-only
	MountDevice = "device" // a device node of the host
)

// Mount propagation, as the Kubernetes API names it (HostToContainer is
// rslave). There is no way back to the host: Bidirectional is not offered.
const (
	PropagationPrivate = "private" // the default
	PropagationSlave   = "rslave"  // later mounts of the host appear below it
)

// Mount is one file system in a container's root. In [Container.Root] the
// destination is ignored.
type Mount struct {
	Destination string // absolute, in the container
	Type        string // "bind", "tmpfs", "image", "device", "overlay", …
	Source      string // the host's path for a bind or a device
	Options     []string
	ReadOnly    bool
	// RecursiveReadOnly makes every mount below the source read-only as well
	// (KEP-3857); it implies ReadOnly.
	RecursiveReadOnly bool
	Propagation       string // PropagationPrivate when empty; binds only

	// MapIDs has the files of a bind appear with the ids of the worker's user
	// namespace.
	MapIDs bool

	// Files are the file system of a MountImage, as the snapshotter gives it,
	// mounted in order on one another; SubPath is the file or directory in it
	// that is shown, "" for all. No link leads out of Files.
	Files   []Mount
	SubPath string

	// Access is what a MountDevice may be opened for: "r", "w" or "rw".
	Access string
}

// Resolved says which file of the root the worker will run. The file itself
// comes with the message, opened read-only with the container's own rights.
type Resolved struct {
	Path string // in the container
	// Missing says, for a command, that the root has no such file, in words for
	// the user; no file comes then. The daemon may know a program of that name.
	Missing string
}

// Compiled answers Resolved: the directory with the module's compiled code
// comes with the message.
type Compiled struct {
	Digest string // of the module, "sha256:…"
	// Builtin says that it is a program of the daemon's own.
	Builtin bool
}

// Compile is the first message to a compiler; the module's file and the output
// directory come with it. Compiled, with an empty digest, answers it.
type Compile struct {
	UID, GID uint32 // whom the output directory belongs to
	MaxBytes int64  // the largest module taken
	Rootless bool
}

// Ready says that the module is loaded and that Start opens the gate.
type Ready struct{}
