// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"
)

// ChangedError says that the files of an unpacked layer are not those of its archive.
type ChangedError struct {
	Chain digest.Digest
	Cause error
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("unpacked layers %s: %v", e.Chain, e.Cause)
}

// Unwrap returns errdefs.ErrDataLoss and the cause.
func (e *ChangedError) Unwrap() []error { return []error{errdefs.ErrDataLoss, e.Cause} }

// unpacked is what a regular file of an archive has to be.
type unpacked struct {
	size  int64
	sum   [sha256.Size]byte
	entry int // its number in the archive
}

// Verify compares the files of a layer with the archive that open returns, which is the one it was unpacked from: names,
// sizes and bytes of regular files. A layer that is not unpacked has none. wasm is told the digest of each file that is
// WebAssembly by its first bytes. The error is a *ChangedError where the files are at fault.
func (s *Store) Verify(ctx context.Context, layer Layer, open func() (io.ReadCloser, error), wasm func(digest.Digest)) error {
	files, err := readArchive(ctx, open, wasm)
	if err != nil {
		return err
	}
	info, err := s.sn.Stat(ctx, layer.Chain.String())
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	tree := Tree{layers: []string{filepath.Join(s.dir, info.Labels[labelDir])}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := tree.verify(name, files[name]); err != nil {
			return &ChangedError{layer.Chain, err}
		}
	}
	return nil
}

// verify compares one file.
func (t Tree) verify(name string, want unpacked) error {
	file, _, err := t.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, file)
	switch {
	case err != nil:
		return err
	case n != want.size:
		return fmt.Errorf("%s has %d bytes, and had %d", name, n, want.size)
	case [sha256.Size]byte(sum.Sum(nil)) != want.sum:
		return fmt.Errorf("%s has other bytes than it had", name)
	}
	return nil
}

// contents are the regular files that an archive leaves when it is unpacked.
type contents struct {
	files map[string]unpacked // by their names from the root
	gone  map[string]int      // names that later entries take away, or give to what is no file, by the entry's number
}

// readArchive reads the whole archive.
func readArchive(ctx context.Context, open func() (io.ReadCloser, error), wasm func(digest.Digest)) (map[string]unpacked, error) {
	blob, err := open()
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	stream, err := decompress(blob)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	c := contents{files: map[string]unpacked{}, gone: map[string]int{}}
	r := tar.NewReader(stream)
	for entry := 0; ; entry++ {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			maps.DeleteFunc(c.files, func(name string, f unpacked) bool { return c.isGone(name, f.entry) })
			return c.files, nil
		}
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err == nil {
			err = c.add(entry, header, r, wasm)
		}
		if err != nil {
			return nil, err
		}
	}
}

// add takes an entry in.
func (c contents) add(entry int, header *tar.Header, body io.Reader, wasm func(digest.Digest)) error {
	name := path.Clean("/" + header.Name)
	if hidden, is := strings.CutPrefix(path.Base(name), ".wh."); is {
		c.gone[path.Join(path.Dir(name), hidden)] = entry
		return nil
	}
	switch header.Typeflag {
	case tar.TypeDir, tar.TypeBlock, tar.TypeChar: // devices are left out
		return nil
	case tar.TypeReg:
		file, err := read(body, wasm)
		file.entry = entry
		c.files[name] = file
		return err
	}
	c.gone[name] = entry // a hard link is verified by its other name
	return nil
}

// isGone tells whether a later entry took a file away, or a folder above it.
func (c contents) isGone(name string, entry int) bool {
	for ; name != "/"; name = path.Dir(name) {
		if later, is := c.gone[name]; is && later > entry {
			return true
		}
	}
	return false
}

// read hashes a file of an archive.
func read(r io.Reader, wasm func(digest.Digest)) (unpacked, error) {
	const magic = "\x00asm"
	head := make([]byte, len(magic))
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return unpacked{}, err
	}
	hash := sha256.New()
	hash.Write(head[:n])
	rest, err := io.Copy(hash, r)
	sum := hash.Sum(nil)
	if string(head) == magic && err == nil {
		wasm(digest.NewDigestFromBytes(digest.SHA256, sum))
	}
	return unpacked{size: int64(n) + rest, sum: [sha256.Size]byte(sum)}, err
}

func isDirectory(path string) error {
	st, err := os.Stat(path)
	if err == nil && !st.IsDir() {
		return &fs.PathError{Op: "stat", Path: path, Err: unix.ENOTDIR}
	}
	return err
}

// Unpacked tells whether the snapshot of a chain is there.
func (s *Store) Unpacked(ctx context.Context, chain digest.Digest) (bool, error) {
	_, err := s.sn.Stat(ctx, chain.String())
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}
