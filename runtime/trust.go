// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"os"
	"path"
	"slices"
	"strings"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// trustFile is where a worker's HTTP client looks first for the certificates it trusts.
const trustFile = "/etc/ssl/certs/ca-certificates.crt"

// nodeTrust is where distributions keep theirs.
var nodeTrust = []string{
	trustFile, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
}

// TrustMounts shows a guest that may make HTTP requests the certificates that this
// machine trusts. It is for an image that is a module and has no files of its own. Nothing
// is shown where a mount for one of the destinations brings some, or the machine has none.
func TrustMounts(outbound *spec.Outbound, destinations []string) []spec.Mount {
	return trustMounts(nodeTrust, outbound, destinations)
}

// trustMounts shows the first of the files that is there.
func trustMounts(files []string, outbound *spec.Outbound, destinations []string) []spec.Mount {
	if outbound == nil || slices.ContainsFunc(destinations, bringsTrust) {
		return nil
	}
	i := slices.IndexFunc(files, func(file string) bool {
		info, err := os.Stat(file)
		return err == nil && info.Mode().IsRegular()
	})
	if i < 0 {
		return nil
	}
	return []spec.Mount{{
		Destination: trustFile, Type: spec.MountBind, Source: files[i], ReadOnly: true, Propagation: spec.PropagationPrivate,
	}}
}

// bringsTrust says whether a mount there may hold certificates.
func bringsTrust(destination string) bool {
	at := path.Clean(destination) + "/"
	return at == "//" || at == "/etc/" || strings.HasPrefix(at, "/etc/ssl/") || strings.HasPrefix(at, "/etc/pki/")
}
