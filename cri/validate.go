// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"fmt"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/proto"
)

const (
	// maxConfig bounds one pod's or container's configuration. execve(2) takes
	// as much in arguments and environment; as JSON, where a control character
	// has six bytes, it still fits a worker's 16 MiB frame.
	maxConfig   = 2 << 20
	maxName     = 1024  // a name, an id
	maxImageRef = 4096  // host, repository, tag and digest
	maxPath     = 4095  // PATH_MAX without its NUL
	maxGroups   = 65536 // NGROUPS_MAX
)

// validateSize bounds a message as a whole, and so each list and map in it.
func validateSize(field string, m proto.Message) error {
	if size := proto.Size(m); size > maxConfig {
		return invalid(field, "%d bytes are more than %d", size, maxConfig)
	}
	return nil
}

// requireID checks an id, or the beginning of one.
func requireID(field, id string) error { return requireName(field, id) }

// requireName checks a value that must be there.
func requireName(field, value string) error {
	if value == "" {
		return invalid(field, "required")
	}
	return validateText(field, value, maxName)
}

// validateText bounds a value that may be empty and keeps out NUL bytes, which
// would end it early for the kernel.
func validateText(field, value string, limit int) error {
	if len(value) > limit {
		return invalid(field, "%d bytes are more than %d", len(value), limit)
	}
	if strings.ContainsRune(value, 0) {
		return invalid(field, "contains a NUL byte")
	}
	return nil
}

// requirePath checks an absolute path.
func requirePath(field, path string) error {
	if path == "" {
		return invalid(field, "required")
	}
	return validateOptionalPath(field, path)
}

// validateOptionalPath checks an absolute path that may be absent.
func validateOptionalPath(field, path string) error {
	if err := validateText(field, path, maxPath); err != nil {
		return err
	}
	if path != "" && !filepath.IsAbs(path) {
		return invalid(field, "%q is not an absolute path", path)
	}
	return nil
}

// validatePaths checks a list of absolute paths.
func validatePaths(field string, paths []string) error {
	for i, p := range paths {
		if err := requirePath(fmt.Sprintf("%s[%d]", field, i), p); err != nil {
			return err
		}
	}
	return nil
}

// validateFileName checks a name that becomes a file's in a cgroup.
func validateFileName(field, name string) error {
	if err := requireName(field, name); err != nil {
		return err
	}
	if strings.Contains(name, "/") || name == "." || name == ".." {
		return invalid(field, "%q is not a file's name", name)
	}
	return nil
}
