// SPDX-License-Identifier: Apache-2.0

package device

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/containerd/errdefs"
	"tags.cncf.io/container-device-interface/pkg/cdi"
	specs "tags.cncf.io/container-device-interface/specs-go"
)

// Edits are what devices change in a container.
type Edits struct {
	Nodes  []Node
	Mounts []Mount
	Env    []string // KEY=value; these replace the container's own
	Groups []uint32 // supplementary groups
}

// Mount brings a file or directory of the host along with a device.
type Mount struct {
	HostPath, ContainerPath string
	ReadOnly, Recursive     bool     // Recursive: read-only with all that is mounted below
	Slave                   bool     // later mounts of the host appear below it
	Options                 []string // attributes, such as "noexec"
}

// Registry knows devices by their names, VENDOR/CLASS=DEVICE, from the CDI files
// in its directories; those in a later one win. They are read at each use, so
// that what a device plugin writes is there at once.
type Registry struct{ Dirs []string }

// Edits returns what the named devices change, each file's common part once.
// The error is errdefs.ErrNotFound for a name that no file has, and
// errdefs.ErrFailedPrecondition for what a Wasm container cannot have.
func (r Registry) Edits(names []string) (Edits, error) {
	var all Edits
	if len(names) == 0 {
		return all, nil
	}
	cache, err := cdi.NewCache(cdi.WithSpecDirs(r.Dirs...), cdi.WithAutoRefresh(false))
	if err != nil {
		return all, fmt.Errorf("CDI: %w", err)
	}
	common := map[*cdi.Spec]bool{}
	for _, name := range names {
		d := cache.GetDevice(name)
		if d == nil {
			return all, fmt.Errorf("CDI device %s: %s: %w", name, r.whyAbsent(cache), errdefs.ErrNotFound)
		}
		spec := d.GetSpec()
		edits := []specs.ContainerEdits{d.ContainerEdits}
		if !common[spec] {
			common[spec] = true
			edits = []specs.ContainerEdits{spec.ContainerEdits, d.ContainerEdits}
		}
		for _, e := range edits {
			if err := all.add(e); err != nil {
				return all, fmt.Errorf("CDI device %s: %w", name, err)
			}
		}
	}
	return all, nil
}

// whyAbsent says where was looked, and what could not be read there.
func (r Registry) whyAbsent(cache *cdi.Cache) string {
	text := "not in a CDI file of " + strings.Join(r.Dirs, ", ")
	if len(r.Dirs) == 0 {
		text = "CDI is turned off (device.cdi_dirs)"
	}
	var bad []string
	for _, errs := range cache.GetErrors() {
		for _, err := range errs {
			bad = append(bad, err.Error())
		}
	}
	slices.Sort(bad)
	if len(bad) > 0 {
		const most = 512
		text += "; " + bad[0][:min(len(bad[0]), most)]
	}
	return text
}

// add takes over one set of edits.
func (all *Edits) add(e specs.ContainerEdits) error {
	if err := refuse(e); err != nil {
		return err
	}
	for _, kv := range e.Env {
		if strings.ContainsRune(kv, 0) || !utf8.ValidString(kv) {
			return fmt.Errorf("variable %.64q: not text: %w", kv, errdefs.ErrFailedPrecondition)
		}
		all.Env = append(all.Env, kv)
	}
	for _, gid := range e.AdditionalGIDs {
		if gid != 0 { // the group of root is nobody's to give, as in other runtimes
			all.Groups = append(all.Groups, gid)
		}
	}
	for _, d := range e.DeviceNodes {
		host, permissions := d.HostPath, d.Permissions
		if host == "" {
			host = d.Path
		}
		if permissions == cdi.NoPermissions {
			continue
		}
		nodes, err := Nodes(host, d.Path, permissions)
		if err != nil {
			return err
		}
		all.Nodes = append(all.Nodes, nodes...)
	}
	for _, m := range e.Mounts {
		converted, err := mount(m)
		if err != nil {
			return err
		}
		all.Mounts = append(all.Mounts, converted)
	}
	return nil
}

// refuse names what a guest cannot have of a device.
func refuse(e specs.ContainerEdits) error {
	var what string
	switch {
	case len(e.Hooks) > 0:
		what = "a hook (" + e.Hooks[0].HookName + ")"
	case len(e.NetDevices) > 0:
		what = "a network device (" + e.NetDevices[0].HostInterfaceName + ")"
	case e.IntelRdt != nil:
		what = "cache allocation (intelRdt)"
	default:
		return nil
	}
	return fmt.Errorf("it needs %s, which a Wasm container cannot have: %w", what, errdefs.ErrFailedPrecondition)
}

// attributes are the options of a mount that are taken over as they are.
var attributes = []string{"nosuid", "nodev", "noexec", "nosymfollow", "noatime", "nodiratime", "relatime", "strictatime"}

// mount converts a mount, which CDI writes in the terms of the OCI runtime
// specification.
func mount(m *specs.Mount) (Mount, error) {
	converted := Mount{HostPath: m.HostPath, ContainerPath: m.ContainerPath}
	fail := func(what string) (Mount, error) {
		return Mount{}, fmt.Errorf("mount %s: %s: %w", m.ContainerPath, what, errdefs.ErrFailedPrecondition)
	}
	if m.Type != "" && m.Type != "bind" && m.Type != "none" {
		return fail("type " + m.Type + " is no bind mount")
	}
	for _, option := range m.Options {
		switch option {
		case "bind", "rbind", "rw", "private", "rprivate":
		case "ro":
			converted.ReadOnly = true
		case "rro":
			converted.ReadOnly, converted.Recursive = true, true
		case "slave", "rslave":
			converted.Slave = true
		default:
			if !slices.Contains(attributes, option) {
				return fail("option " + option + " is not supported")
			}
			converted.Options = append(converted.Options, option)
		}
	}
	return converted, nil
}
