// SPDX-License-Identifier: Apache-2.0

package foreground

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// Dir is a directory (or a file) of the host that the guest sees.
type Dir struct {
	Host     string // absolute
	Guest    string // absolute
	ReadOnly bool
}

// resolverFiles are the host's files that names are resolved by, read-only: the
// guest is on the caller's network. Those that the host does not have, or that
// something of dirs takes the place of, are left out.
func resolverFiles(dirs []Dir) (mounts []spec.Mount) {
	for _, name := range []string{"/etc/hosts", "/etc/resolv.conf"} {
		given := slices.ContainsFunc(dirs, func(d Dir) bool { return d.Guest == name || d.Guest == path.Dir(name) })
		if _, err := os.Stat(name); err != nil || given {
			continue
		}
		mounts = append(mounts, spec.Mount{Destination: name, Type: spec.MountBind, Source: name, ReadOnly: true})
	}
	return mounts
}

// trust shows a module without files the certificates of the host, if it is to have
// a directory at all and may make requests.
func trust(c spec.Container) []spec.Mount {
	if c.NoDirs {
		return nil
	}
	var destinations []string
	for _, m := range c.Mounts {
		destinations = append(destinations, m.Destination)
	}
	return runtime.TrustMounts(c.Outbound, destinations)
}

// errDir says how a directory is given.
var errDir = errors.New("write it as HOST, HOST:GUEST or HOST:GUEST:ro")

// ParseDir reads "HOST[:GUEST[:ro]]". A relative HOST is one of the working
// directory; without GUEST the guest sees it at its path on the host. It must
// exist.
func ParseDir(text string) (Dir, error) {
	parts := strings.Split(text, ":")
	if len(parts) > 3 || parts[0] == "" {
		return Dir{}, fmt.Errorf("%q: %w", text, errDir)
	}
	host, err := filepath.Abs(parts[0])
	if err != nil {
		return Dir{}, fmt.Errorf("%q: %w", text, err)
	}
	if _, err := os.Stat(host); err != nil {
		return Dir{}, err
	}
	d := Dir{Host: host, Guest: host}
	if len(parts) > 1 {
		if d.Guest = path.Clean(parts[1]); !path.IsAbs(d.Guest) || d.Guest == "/" {
			return Dir{}, fmt.Errorf("%q: the guest's path must be absolute, and not the root: %w", text, errDir)
		}
	}
	if len(parts) > 2 {
		if parts[2] != "ro" {
			return Dir{}, fmt.Errorf("%q: there is no option %q: %w", text, parts[2], errDir)
		}
		d.ReadOnly = true
	}
	return d, nil
}
