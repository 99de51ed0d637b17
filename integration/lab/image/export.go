// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// Export writes an archive of an OCI layout that holds the image, whose entry in
// the index has the annotations. "org.opencontainers.image.ref.name" and
// "io.containerd.image.name" name it for those who import it.
func Export(w io.Writer, annotations map[string]string, img v1.Image) (err error) {
	// A folder first: that is what the library writes.
	dir, err := os.MkdirTemp("", "image-export-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	made, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	if err := made.AppendImage(img, layout.WithAnnotations(annotations)); err != nil {
		return err
	}
	return pack(w, os.DirFS(dir))
}

// pack writes the regular files of a tree, without what depends on when and by
// whom it was made.
func pack(w io.Writer, tree fs.FS) error {
	t := tar.NewWriter(w)
	err := fs.WalkDir(tree, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(tree, path)
		if err != nil {
			return err
		}
		header := &tar.Header{Name: filepath.ToSlash(path), Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}
		if err := t.WriteHeader(header); err != nil {
			return err
		}
		_, err = t.Write(content)
		return err
	})
	return errors.Join(err, t.Close())
}
