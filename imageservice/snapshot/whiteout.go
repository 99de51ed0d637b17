// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"archive/tar"
	"path/filepath"
	"strings"

	"github.com/moby/sys/userns"
	"golang.org/x/sys/unix"
)

// Whiteouts in a layer's archive, see https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts.
const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
)

// opaqueXattrs mark a directory as hiding the directories below it; the second is what an overlayfs mounted in a user
// namespace reads (mount option userxattr).
const (
	opaqueXattr     = "trusted.overlay.opaque"
	userOpaqueXattr = "user.overlay.opaque"
)

// overlayWhiteout turns an archive's whiteouts into overlayfs's: a character device 0:0 in place of a removed file
// (which needs no privilege since Linux 5.8), an extended attribute on an opaque directory. It returns true for entries
// that are no whiteouts.
func overlayWhiteout(hdr *tar.Header, path string) (bool, error) {
	dir, base := filepath.Split(path)
	if base == whiteoutOpaque {
		xattr := opaqueXattr
		if userns.RunningInUserNS() {
			xattr = userOpaqueXattr
		}
		return false, unix.Setxattr(filepath.Clean(dir), xattr, []byte{'y'}, 0)
	}
	name, ok := strings.CutPrefix(base, whiteoutPrefix)
	if !ok {
		return true, nil
	}
	removed := filepath.Join(dir, name)
	if err := unix.Mknod(removed, unix.S_IFCHR, 0); err != nil {
		return false, err
	}
	return false, unix.Lchown(removed, hdr.Uid, hdr.Gid)
}

// isWhiteout tells whether a file's status is that of an overlayfs whiteout.
func isWhiteout(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
}

// isOpaque tells whether a directory hides those below it.
func isOpaque(dir string) bool {
	value := make([]byte, 1)
	for _, xattr := range []string{opaqueXattr, userOpaqueXattr} {
		if n, err := unix.Lgetxattr(dir, xattr, value); err == nil && n == 1 && value[0] == 'y' {
			return true
		}
	}
	return false
}
