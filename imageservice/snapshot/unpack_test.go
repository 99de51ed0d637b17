// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/archive"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"
)

func tarFifo(name string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeFifo, Mode: 0o644}
}

// hostile are layers that reach for what is not theirs. None may change anything outside of its root.
func hostile(t testing.TB) map[string][]byte {
	device := entryOf{tar.Header{Name: "dev/sda", Typeflag: tar.TypeBlock, Devmajor: 8, Mode: 0o666}, ""}
	xattrs := regular("x", "x")
	xattrs.PAXRecords = map[string]string{
		"SCHILY.xattr.trusted.overlay.redirect": "/", "SCHILY.xattr.user.overlay.opaque": "y",
		"SCHILY.xattr.security.capability": "x", "SCHILY.xattr.user.kept": "1",
	}
	return map[string][]byte{
		"upwards":                  archiveOf(t, regular("../evil", "x"), regular("a/../../evil", "x")),
		"absolute":                 archiveOf(t, regular("/evil", "x")),
		"through a link":           archiveOf(t, symlink("l", "../.."), regular("l/evil", "x")),
		"through an absolute link": archiveOf(t, symlink("l", "/"), regular("l/evil", "x")),
		"link over a link":         archiveOf(t, symlink("l", "../../evil"), regular("l", "x")),
		"hard link out":            archiveOf(t, hardlink("h", "../../secret")),
		"hard link through a link": archiveOf(t, symlink("l", "../.."), hardlink("h", "l/secret")),
		"whiteout out":             archiveOf(t, regular("../.wh.secret", "")),
		"whiteout through a link":  archiveOf(t, symlink("l", "../.."), regular("l/.wh.secret", "")),
		"whiteout of nothing":      archiveOf(t, regular(".wh.", "")),
		"whiteout of the parent":   archiveOf(t, regular("d/.wh...", "")),
		"device":                   archiveOf(t, device),
		"extended attributes":      archiveOf(t, xattrs),
		"root as a file":           archiveOf(t, regular(".", "x"), regular("", "x"), symlink("./", "..")),
	}
}

func TestHostileLayersStayInTheirRoot(t *testing.T) {
	for name, layer := range hostile(t) {
		t.Run(name, func(t *testing.T) {
			for _, parents := range [][]string{nil, {t.TempDir()}} {
				applyApart(t, layer, parents)
			}
		})
	}
}

func FuzzUnpack(f *testing.F) {
	for _, layer := range hostile(f) {
		f.Add(layer)
	}
	f.Add([]byte("\x00asm"))
	f.Add([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0})
	f.Fuzz(func(t *testing.T, layer []byte) { applyApart(t, layer, []string{t.TempDir()}) })
}

// applyApart writes a layer into a directory as Unpack does and fails if anything beside the directory changed.
func applyApart(t *testing.T, layer []byte, parents []string) {
	t.Helper()
	outside := t.TempDir()
	root := filepath.Join(outside, "store", "root")
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := listing(t, outside, root)
	budget := NewBudget(0)
	budget.bytes, budget.stream = 1<<20, 1<<22
	r, err := decompress(bytes.NewReader(layer))
	if err == nil {
		dst := destination{dir: root, parents: parents}
		_, err = archive.Apply(t.Context(), root, budget.reader(r), dst.options(budget)...)
		r.Close()
	}
	if after := listing(t, outside, root); !slices.Equal(before, after) {
		t.Errorf("outside of the root, before: %v, after: %v (%v)", before, after, err)
	}
	checkContents(t, root, filepath.Join(outside, "secret"))
}

// listing describes everything below dir except root.
func listing(t *testing.T, dir, root string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == root {
			return fs.SkipDir
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		list = append(list, strings.Join([]string{path, string(rune(st.Mode & unix.S_IFMT)), string(rune(st.Nlink)), string(rune(st.Size))}, " "))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// checkContents fails if a root has a device, a file of outside, or an attribute that only overlayfs may set.
func checkContents(t *testing.T, root, secret string) {
	t.Helper()
	var want unix.Stat_t
	if err := unix.Lstat(secret, &want); err != nil {
		t.Fatal(err)
	}
	_ = filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		var st unix.Stat_t
		if unix.Lstat(path, &st) != nil {
			return nil
		}
		if kind := st.Mode & unix.S_IFMT; st.Ino == want.Ino || (kind == unix.S_IFBLK || kind == unix.S_IFCHR) && !isWhiteout(&st) {
			t.Errorf("%s has mode %o, inode %d", path, st.Mode, st.Ino)
		}
		for _, name := range []string{"trusted.overlay.redirect", "user.overlay.opaque", "security.capability"} {
			if _, err := unix.Lgetxattr(path, name, make([]byte, 64)); err == nil {
				t.Errorf("%s has %s", path, name)
			}
		}
		return nil
	})
}

func TestExtendedAttributesOfUsersAreKept(t *testing.T) {
	root := t.TempDir()
	budget := NewBudget(0)
	if _, err := archive.Apply(t.Context(), root, bytes.NewReader(hostile(t)["extended attributes"]), destination{dir: root}.options(budget)...); err != nil {
		t.Fatal(err)
	}
	value := make([]byte, 8)
	if n, err := unix.Lgetxattr(filepath.Join(root, "x"), "user.kept", value); err != nil || string(value[:n]) != "1" {
		t.Errorf("user.kept = %q, %v", value, err)
	}
}

func TestLimitsOfUnpackedLayers(t *testing.T) {
	many := make([]entryOf, 20)
	for i := range many {
		many[i] = regular(strings.Repeat("a", i+1), "")
	}
	sparse := sparseArchive()
	for name, test := range map[string]struct {
		archive []byte
		budget  Budget
	}{
		"entries":    {archiveOf(t, many...), Budget{entries: 19, bytes: 1 << 20, stream: 1 << 20}},
		"file sizes": {archiveOf(t, regular("a", strings.Repeat("x", 600)), regular("b", strings.Repeat("x", 600))), Budget{entries: 9, bytes: 1000, stream: 1 << 20}},
		"archive":    {archiveOf(t, many...), Budget{entries: 99, bytes: 1 << 20, stream: 5000}},
		"padding":    {append(archiveOf(t), make([]byte, 1<<16)...), Budget{entries: 99, bytes: 1 << 20, stream: 1 << 15}},
		"bomb":       {bomb(t, 64<<20), Budget{entries: 99, bytes: 1 << 20, stream: 1 << 20}},
		"sparse":     {sparse, Budget{entries: 99, bytes: 1 << 20, stream: 1 << 20}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, s := newStore(t, Overlay)
			_, err := unpack(ctx, s, "", test.archive, &test.budget)
			var limit *LimitError
			if !errors.As(err, &limit) || !errdefs.IsInvalidArgument(err) {
				t.Errorf("error = %v", err)
			}
			if bytes, inodes, err := s.Usage(ctx); err != nil || bytes != 0 || inodes != 0 {
				t.Errorf("left %d bytes, %d inodes, %v", bytes, inodes, err)
			}
		})
	}
}

func TestBudgetGrowsWithTheImage(t *testing.T) {
	for compressed, want := range map[int64]int64{
		0:             freeBytes,
		1 << 20:       freeBytes + maxRatio<<20,
		10 << 30:      maxBytes,
		math.MaxInt64: maxBytes,
	} {
		if b := NewBudget(compressed); b.bytes != want || b.stream != want {
			t.Errorf("budget of %d bytes: %d, %d; want %d", compressed, b.bytes, b.stream, want)
		}
	}
}

// bomb is a gzip archive of one file of n zeros.
func bomb(t *testing.T, n int64) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: "zeros", Typeflag: tar.TypeReg, Size: n, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(w, zeros{}, n); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// sparseArchive is a GNU sparse file that is one block in the archive and a tebibyte when written.
func sparseArchive() []byte {
	block := make([]byte, 512)
	octal := func(at, width int, v int64) {
		s := []byte(strings.Repeat("0", width-1))
		for i := len(s) - 1; i >= 0; i-- {
			s[i] = byte('0' + v&7)
			v >>= 3
		}
		copy(block[at:], s)
	}
	copy(block, "hole")
	octal(100, 8, 0o644)
	octal(108, 8, 0)
	octal(116, 8, 0)
	octal(124, 12, 512)
	octal(136, 12, 0)
	block[156] = 'S'
	copy(block[257:], "ustar  \x00")
	octal(386, 12, 0) // one run of data at 0, of 512 bytes
	octal(398, 12, 512)
	block[483-1+0] = 0
	// The real size, in base 256, as it does not fit into octal digits.
	block[483] = 0x80
	block[483+6] = 1 << 0
	sum := int64(0)
	copy(block[148:156], "        ")
	for _, c := range block {
		sum += int64(c)
	}
	octal(148, 7, sum)
	block[154], block[155] = 0, ' '
	return append(append(block, make([]byte, 512)...), make([]byte, 1024)...)
}

func TestDamagedLayers(t *testing.T) {
	good := archiveOf(t, regular("a", strings.Repeat("abc", 1000)))
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(good)
	z.Close()
	for name, test := range map[string]struct {
		blob []byte
		is   error
	}{
		"cut":          {good[:700], io.ErrUnexpectedEOF},
		"no archive":   {bytes.Repeat([]byte("text"), 1000), tar.ErrHeader},
		"wasm":         {[]byte("\x00asm\x01\x00\x00\x00"), errdefs.ErrInvalidArgument},
		"cut gzip":     {packed.Bytes()[:packed.Len()-10], errdefs.ErrInvalidArgument},
		"gzip header":  {packed.Bytes()[:5], tar.ErrHeader},
		"zstd garbage": {append([]byte{0x28, 0xb5, 0x2f, 0xfd}, bytes.Repeat([]byte{0xff}, 100)...), errdefs.ErrInvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, s := newStore(t, Overlay)
			if _, err := unpack(ctx, s, "", test.blob, NewBudget(0)); !errors.Is(err, test.is) {
				var format *FormatError
				if !errors.As(err, &format) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("error = %v", err)
				}
			}
			checkEmpty(ctx, t, s)
		})
	}
	ctx, s := newStore(t, Overlay)
	err := s.Unpack(ctx, Layer{Chain: digest.FromString("c"), Diff: digest.FromString("other")}, NewBudget(0),
		func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(good)), nil })
	var diff *DiffError
	if !errors.As(err, &diff) || !errdefs.IsDataLoss(err) {
		t.Errorf("other archive: %v", err)
	}
	checkEmpty(ctx, t, s)
}

// checkEmpty fails if the store has any snapshot.
func checkEmpty(ctx context.Context, t *testing.T, s *Store) {
	t.Helper()
	if bytes, inodes, err := s.Usage(ctx); err != nil || bytes != 0 || inodes != 0 {
		t.Errorf("left %d bytes, %d inodes, %v", bytes, inodes, err)
	}
}

func TestNamesOfSnapshotters(t *testing.T) {
	if _, err := OpenBackend(t.TempDir(), "zfs"); !errdefs.IsInvalidArgument(err) {
		t.Errorf("zfs: %v", err)
	}
	odd := filepath.Join(t.TempDir(), "a,b")
	if _, err := OpenBackend(odd, Overlay); !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), "comma") {
		t.Errorf("overlay in %s: %v", odd, err)
	}
	b, err := OpenBackend(odd, "")
	if err != nil {
		t.Fatal(err)
	}
	if b.Name != Native {
		t.Errorf("%s chosen where overlay does not work", b.Name)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if b, err = OpenBackend(t.TempDir(), ""); err != nil || b.Name != Overlay {
		t.Fatalf("%v chosen where overlay works, %v", b, err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
