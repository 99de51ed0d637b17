// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/containerd/containerd/v2/pkg/archive/compression"
	"github.com/containerd/errdefs"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxZstdWindow bounds the memory a zstd layer asks for; it is what zstd's own tool writes at most by default.
const maxZstdWindow = 128 << 20

// FormatError says that a layer is not what can be unpacked.
type FormatError struct {
	What  string
	Cause error // nil or the reader's own words
}

func (e *FormatError) Error() string {
	if e.Cause == nil {
		return e.What
	}
	return e.What + ": " + e.Cause.Error()
}

// Unwrap returns errdefs.ErrInvalidArgument and the cause.
func (e *FormatError) Unwrap() []error { return []error{errdefs.ErrInvalidArgument, e.Cause} }

// decompress returns the tar archive in a blob. Its bytes tell how it is compressed, as some registries' media types do
// not; nothing is run in another process for it.
func decompress(blob io.Reader) (io.ReadCloser, error) {
	r := bufio.NewReaderSize(blob, 64<<10)
	head, err := r.Peek(10)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(head) >= 4 && string(head[:4]) == "\x00asm" {
		return nil, &FormatError{What: "it is a WebAssembly binary, not a tar archive (push it as a Wasm artifact, or put it into an archive)"}
	}
	switch compression.DetectCompression(head) {
	case compression.Gzip:
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, &FormatError{"it is not readable as gzip", err}
		}
		return &archiveReader{r: z, close: z.Close}, nil
	case compression.Zstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, &FormatError{"it is not readable as zstd", err}
		}
		return &archiveReader{r: z, close: z.IOReadCloser().Close}, nil
	default:
		return io.NopCloser(r), nil
	}
}

// archiveReader names the decompressor's errors as faults of the layer.
type archiveReader struct {
	r     io.Reader
	close func() error
}

func (a *archiveReader) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &FormatError{"its compressed data is corrupt", err}
	}
	return n, err
}

func (a *archiveReader) Close() error {
	if err := a.close(); err != nil {
		return fmt.Errorf("decompress: %w", err)
	}
	return nil
}
