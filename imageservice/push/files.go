// SPDX-License-Identifier: Apache-2.0

package push

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wazelet/wazelet/imageservice"
)

// files makes an image of files: of one module, or of what is in a folder.
func (o Options) files(dir bool) (_ *Image, err error) {
	packed, err := os.CreateTemp("", "wazelet-layer-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, packed.Close())
		}
	}()
	if err := os.Remove(packed.Name()); err != nil { // it lives as long as it is open
		return nil, err
	}
	compressed, unpacked := digest.Canonical.Digester(), digest.Canonical.Digester()
	z := gzip.NewWriter(io.MultiWriter(packed, compressed.Hash()))
	archive := tar.NewWriter(io.MultiWriter(z, unpacked.Hash()))
	top, err := o.archive(archive, dir)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(archive.Close(), z.Close()); err != nil {
		return nil, err
	}
	st, err := packed.Stat()
	if err != nil {
		return nil, err
	}
	if o.Entrypoint, err = o.entrypoint(top); err != nil {
		return nil, err
	}
	config, err := o.configuration("wasi", unpacked.Digest())
	if err != nil {
		return nil, err
	}
	layer := fileBlob(ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: compressed.Digest(), Size: st.Size()}, packed)
	return assemble(imageservice.FormatFiles, memoryBlob(ocispec.MediaTypeImageConfig, config), layer)
}

// archive writes the files and returns the names at the top.
func (o Options) archive(w *tar.Writer, dir bool) (top []string, err error) {
	if !dir {
		name := filepath.Base(o.Path)
		file, err := os.Open(o.Path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		if err := o.checkModule(file); err != nil {
			return nil, err
		}
		info, err := file.Stat()
		if err != nil {
			return nil, err
		}
		return []string{name}, writeEntry(w, name, "", info, file)
	}
	root, err := os.OpenRoot(o.Path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		if filepath.Dir(path) == "." && entry.Type().IsRegular() {
			top = append(top, path)
		}
		return addEntry(w, root, path, entry)
	})
	return top, err
}

// addEntry writes one file of a folder.
func addEntry(w *tar.Writer, root *os.Root, path string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	switch entry.Type() {
	case 0:
		file, err := root.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		return writeEntry(w, path, "", info, file)
	case fs.ModeDir:
		return writeEntry(w, path+"/", "", info, nil)
	case fs.ModeSymlink:
		link, err := root.Readlink(path)
		if err != nil {
			return err
		}
		return writeEntry(w, path, link, info, nil)
	}
	return fmt.Errorf("%s is neither a file, a folder nor a link: %w", path, errdefs.ErrInvalidArgument)
}

// writeEntry writes a header with everything in it that an image needs, and
// nothing of the machine it is made on.
func writeEntry(w *tar.Writer, name, link string, info fs.FileInfo, content io.Reader) error {
	header, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	*header = tar.Header{
		Typeflag: header.Typeflag, Name: name, Linkname: link, Size: header.Size,
		Mode: int64(info.Mode().Perm()), ModTime: time.Unix(0, 0), Format: tar.FormatPAX,
	}
	if err := w.WriteHeader(header); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if content == nil {
		return nil
	}
	if _, err := io.Copy(w, io.LimitReader(content, header.Size)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
