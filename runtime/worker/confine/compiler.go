// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// CompilerOutput is where a compiler finds its output directory.
const CompilerOutput = "/out"

// enterCompilerRoot makes an empty, read-only root with the output directory
// in it.
func enterCompilerRoot(out *os.File) error {
	if err := shutPropagation(nil); err != nil {
		return err
	}
	d, err := cloneFile(out)
	if err != nil {
		return fmt.Errorf("output directory: %w", err)
	}
	defer d.Close()
	if !d.dir {
		return spec.Failf(spec.Invalid, "output directory: not a directory")
	}
	root, _, err := mountRoot(nil, &sources{})
	if err != nil {
		return fmt.Errorf("root file system: %w", err)
	}
	defer unix.Close(root.fd)
	if err := d.attachAt(root, CompilerOutput); err != nil {
		return fmt.Errorf("output directory: %w", err)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(root.fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		return fmt.Errorf("read-only root: %w", err)
	}
	return pivot(root)
}
