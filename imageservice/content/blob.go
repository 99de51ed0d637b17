// SPDX-License-Identifier: Apache-2.0

package content

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Errors of a transfer whose bytes are not the ones the descriptor names. Both are errdefs.ErrDataLoss.
var (
	ErrDigest = fmt.Errorf("the bytes received have another digest: %w", errdefs.ErrDataLoss)
	ErrLength = fmt.Errorf("the bytes received have another length: %w", errdefs.ErrDataLoss)
)

// MismatchError says how a blob differs from its descriptor.
type MismatchError struct {
	Want ocispec.Descriptor
	Size int64         // bytes received
	Got  digest.Digest // of the bytes received; "" when the size already differs
}

func (e *MismatchError) Error() string {
	if e.Got == "" {
		return fmt.Sprintf("blob %s: %d bytes received, %d expected", e.Want.Digest, e.Size, e.Want.Size)
	}
	return fmt.Sprintf("blob %s: digest of the received bytes is %s", e.Want.Digest, e.Got)
}

// Unwrap returns ErrLength or ErrDigest.
func (e *MismatchError) Unwrap() error {
	if e.Got == "" {
		return ErrLength
	}
	return ErrDigest
}

// Check finds out whether the blob is there, in the metadata and as a file of its size. It does not read it.
func (s *Store) Check(ctx context.Context, desc ocispec.Descriptor) error {
	if _, err := s.blobs.Info(Context(ctx), desc.Digest); err != nil {
		return blobError(desc.Digest, err)
	}
	st, err := os.Stat(s.path(desc.Digest))
	if err != nil {
		return fmt.Errorf("blob %s: %w", desc.Digest, err)
	}
	if st.Size() != desc.Size {
		return &MismatchError{Want: desc, Size: st.Size()}
	}
	return nil
}

// path is where containerd's store keeps a blob.
func (s *Store) path(dgst digest.Digest) string {
	return filepath.Join(s.dir, "blobs", dgst.Algorithm().String(), dgst.Encoded())
}

// ingestOf names the transfer of a blob, the same for all that fetch it.
func ingestOf(desc ocispec.Descriptor) string { return "blob-" + desc.Digest.String() }

// Fetch stores the blob desc, reading it from what open returns unless it is there already. The context must carry a
// lease. Bytes that are not desc's are refused with a *MismatchError and never become a blob.
func (s *Store) Fetch(ctx context.Context, desc ocispec.Descriptor, open func(context.Context) (io.ReadCloser, error)) (err error) {
	ctx = Context(ctx)
	w, err := content.OpenWriter(ctx, s.blobs, content.WithRef(ingestOf(desc)), content.WithDescriptor(desc))
	if errdefs.IsAlreadyExists(err) {
		return nil
	}
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("blob %s: %w", desc.Digest, err)
	}
	defer func() { err = errors.Join(err, w.Close()) }()

	if err := fill(w, desc, func() (io.ReadCloser, error) { return open(ctx) }); err != nil {
		return err
	}
	if err := w.Commit(ctx, desc.Size, desc.Digest); err != nil && !errdefs.IsAlreadyExists(err) {
		return fmt.Errorf("blob %s: %w", desc.Digest, err)
	}
	return nil
}

// fill writes the part of desc that w lacks (a second pull may go on where a cancelled one stopped) and checks the whole.
func fill(w content.Writer, desc ocispec.Descriptor, open func() (io.ReadCloser, error)) error {
	status, err := w.Status()
	if err != nil {
		return err
	}
	if status.Offset < desc.Size {
		body, err := open()
		if err != nil {
			return err
		}
		err = skip(body, status.Offset)
		if err == nil {
			_, err = io.Copy(w, io.LimitReader(body, desc.Size-status.Offset+1))
		}
		if err := errors.Join(err, body.Close()); err != nil {
			return err
		}
		if status, err = w.Status(); err != nil {
			return err
		}
	}
	if status.Offset != desc.Size {
		return &MismatchError{Want: desc, Size: status.Offset}
	}
	if got := w.Digest(); got != desc.Digest && got.Algorithm() == desc.Digest.Algorithm() {
		return &MismatchError{Want: desc, Size: status.Offset, Got: got}
	}
	return nil
}

// skip passes over the first n bytes.
func skip(r io.Reader, n int64) (err error) {
	if n == 0 {
		return nil
	}
	if seeker, ok := r.(io.Seeker); ok {
		_, err = seeker.Seek(n, io.SeekStart)
	} else {
		_, err = io.CopyN(io.Discard, r, n)
	}
	return err
}

// Read returns the whole of a blob that is at most limit bytes long.
func (s *Store) Read(ctx context.Context, desc ocispec.Descriptor, limit int64) ([]byte, error) {
	r, err := s.blobs.ReaderAt(Context(ctx), desc)
	if err != nil {
		return nil, blobError(desc.Digest, err)
	}
	defer r.Close()
	if r.Size() > limit {
		return nil, fmt.Errorf("blob %s: %d bytes are more than the %d allowed: %w", desc.Digest, r.Size(), limit, errdefs.ErrInvalidArgument)
	}
	p := make([]byte, r.Size())
	if _, err := io.ReadFull(content.NewReader(r), p); err != nil {
		return nil, fmt.Errorf("blob %s: %w", desc.Digest, err)
	}
	return p, nil
}

// Reader returns a blob's bytes as a stream.
func (s *Store) Reader(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	r, err := s.blobs.ReaderAt(Context(ctx), desc)
	if err != nil {
		return nil, blobError(desc.Digest, err)
	}
	return struct {
		io.Reader
		io.Closer
	}{content.NewReader(r), r}, nil
}

// OpenFile opens the file that holds a blob, read-only. The open file outlives the blob's removal.
func (s *Store) OpenFile(ctx context.Context, dgst digest.Digest) (*os.File, error) {
	if _, err := s.blobs.Info(Context(ctx), dgst); err != nil {
		return nil, blobError(dgst, err)
	}
	f, err := os.Open(s.path(dgst))
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", dgst, err)
	}
	return f, nil
}

// blobError names the blob once; the store's own words for an absent one name it again.
func blobError(dgst digest.Digest, err error) error {
	if errdefs.IsNotFound(err) {
		err = errdefs.ErrNotFound
	}
	return fmt.Errorf("blob %s: %w", dgst, err)
}

// Label sets labels on a blob, among them the references garbage collection follows.
func (s *Store) Label(ctx context.Context, dgst digest.Digest, labels map[string]string) error {
	paths := make([]string, 0, len(labels))
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		paths = append(paths, "labels."+key)
	}
	if _, err := s.blobs.Update(Context(ctx), content.Info{Digest: dgst, Labels: labels}, paths...); err != nil {
		return fmt.Errorf("blob %s: %w", dgst, err)
	}
	return nil
}

// Usage returns the number of blobs and their bytes, from the metadata.
func (s *Store) Usage(ctx context.Context) (count, bytes int64, err error) {
	err = s.blobs.Walk(Context(ctx), func(info content.Info) error {
		count++
		bytes += info.Size
		return nil
	})
	return count, bytes, err
}
