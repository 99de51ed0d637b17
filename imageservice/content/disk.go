// SPDX-License-Identifier: Apache-2.0

package content

import (
	"io/fs"
	"path/filepath"
)

// OnDisk returns the bytes of all blobs under root, whole and partial, also of a
// store that another process has open. It is for showing how a transfer goes on:
// what comes and goes meanwhile is not an error.
func OnDisk(root string) (bytes int64) {
	// Errors are of files that have just been renamed.
	_ = filepath.WalkDir(filepath.Join(root, "content"), func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}
