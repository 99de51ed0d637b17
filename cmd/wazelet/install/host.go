// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"
)

// maxRead bounds the configuration files of other programs, in bytes.
const maxRead = 1 << 20

// Host is a node's file system, by the directory where its root is: "/", or where it
// is mounted in an installer's container.
type Host string

// Path is where a path of the node's is found here. Symbolic links are followed as
// on the node: an absolute one does not lead out of it.
func (h Host) Path(path string) (string, error) {
	if h == "/" || h == "" {
		return path, nil
	}
	return securejoin.SecureJoin(string(h), path)
}

// place is like Path for something that is made or replaced: a link at the path
// itself is not followed.
func (h Host) place(path string) (string, error) {
	dir, err := h.Path(filepath.Dir(path))
	return filepath.Join(dir, filepath.Base(path)), err
}

// Read reads a small file of the node's.
func (h Host) Read(path string) ([]byte, error) {
	found, err := h.Path(path)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(found)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxRead+1))
	if err == nil && len(content) > maxRead {
		err = fmt.Errorf("%s: larger than %d bytes", path, maxRead)
	}
	return content, err
}

// Exists says whether there is something at a path.
func (h Host) Exists(path string) bool {
	found, err := h.place(path)
	if err != nil {
		return false
	}
	_, err = os.Lstat(found)
	return err == nil
}

// usable says why programs cannot be put into a directory of the node's and be run
// there. The directory need not exist; of the nearest one that does it is asked.
func (h Host) usable(dir string) error {
	for at := dir; ; at = filepath.Dir(at) {
		found, err := h.Path(at)
		if err != nil {
			return err
		}
		var stat unix.Statfs_t
		err = unix.Statfs(found, &stat)
		switch {
		case errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at):
			continue
		case err != nil:
			return fmt.Errorf("%s: %w", at, err)
		case stat.Flags&unix.ST_RDONLY != 0:
			return fmt.Errorf("%s: %w", at, unix.EROFS)
		case stat.Flags&unix.ST_NOEXEC != 0:
			return fmt.Errorf("%s is mounted noexec: no program can run there", at)
		}
		return unix.Access(found, unix.W_OK)
	}
}

// same says whether a file of the node's has this content.
func (h Host) same(path string, content []byte) bool {
	have, err := h.Read(path)
	return err == nil && bytes.Equal(have, content)
}
