// SPDX-License-Identifier: Apache-2.0

// Package version tells which release a program was built as. The daemon and
// the worker speak to each other in a form that only one release knows, so
// both link this package and must say the same.
package version

import "runtime/debug"

// release is set by the release build, with
// -ldflags "-X github.com/wazelet/wazelet/cmd/version.release=v1.2.3".
var release string

// String is the release, such as "v1.2.3". Of other builds it is the version
// that the Go toolchain derived from the commit, or "devel" where it knew none.
func String() string {
	if release != "" {
		return release
	}
	info, known := debug.ReadBuildInfo()
	if !known || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}

// Revision is the commit the program was built from, with "-dirty" after it
// when the tree held changes; empty when the toolchain knew no commit.
func Revision() string {
	info, known := debug.ReadBuildInfo()
	if !known {
		return ""
	}
	settings := map[string]string{}
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	revision := settings["vcs.revision"]
	if revision != "" && settings["vcs.modified"] == "true" {
		revision += "-dirty"
	}
	return revision
}
