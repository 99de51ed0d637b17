// SPDX-License-Identifier: Apache-2.0

package image

import (
	"os"
	"path/filepath"
	goruntime "runtime"
)

// Installer are the files of the image that the chart's pods run: the programs,
// which are static, from a folder that `make build` has filled.
func Installer(programs string) ([]File, error) {
	files := []File{{Path: "/tmp/", Mode: 0o777}}
	for _, name := range []string{"wazelet", "wazelet-worker", "wazelet-worker-http"} {
		content, err := os.ReadFile(filepath.Join(programs, name))
		if err != nil {
			return nil, err
		}
		files = append(files, File{Path: "/" + name, Content: content, Mode: 0o755})
	}
	return files, nil
}

// InstallerConfig is what such an image says, for a processor by Go's name; empty is
// this machine's.
func InstallerConfig(arch string) Config {
	if arch == "" {
		arch = goruntime.GOARCH
	}
	return Config{Platform: "linux/" + arch, Entrypoint: []string{"/wazelet"}}
}
