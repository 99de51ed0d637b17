// SPDX-License-Identifier: Apache-2.0

package content

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, root string) *Store {
	t.Helper()
	s, err := Open(t.Context(), root, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func descriptorOf(body string) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: "text/plain", Digest: digest.FromString(body), Size: int64(len(body))}
}

// source is a blob of a registry that remembers where it was read from.
type source struct {
	*strings.Reader
	from int64
}

func (s *source) Seek(offset int64, whence int) (int64, error) {
	s.from = offset
	return s.Reader.Seek(offset, whence)
}

func (s *source) Close() error { return nil }

func lease(t *testing.T, s *Store) (context.Context, func()) {
	t.Helper()
	ctx, release, err := s.Lease(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	return ctx, func() {
		t.Helper()
		if err := release(); err != nil {
			t.Error(err)
		}
	}
}

func fetch(ctx context.Context, t *testing.T, s *Store, body string) ocispec.Descriptor {
	t.Helper()
	desc := descriptorOf(body)
	err := s.Fetch(ctx, desc, func(context.Context) (io.ReadCloser, error) { return &source{Reader: strings.NewReader(body)}, nil })
	if err != nil {
		t.Fatal(err)
	}
	return desc
}

func TestBlobLivesAsLongAsSomethingLeadsToIt(t *testing.T) {
	s := open(t, t.TempDir())
	held, release := lease(t, s)
	child, parent := fetch(held, t, s, "child"), fetch(held, t, s, "parent")
	present := func(when string, want bool) {
		t.Helper()
		if err := s.Collect(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, desc := range []ocispec.Descriptor{child, parent} {
			err := s.Check(t.Context(), desc)
			if want && err != nil || !want && !errdefs.IsNotFound(err) {
				t.Errorf("%s: %v", when, err)
			}
			if _, err := os.Stat(s.path(desc.Digest)); (err == nil) != want {
				t.Errorf("%s: file: %v", when, err)
			}
		}
	}
	present("leased", true)
	if err := s.Label(t.Context(), parent.Digest, map[string]string{"containerd.io/gc.ref.content.0": child.Digest.String()}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetNames(t.Context(), Name{Name: "a", Target: parent}); err != nil {
		t.Fatal(err)
	}
	release()
	release() // again: absent is fine
	present("named", true)
	if err := s.RemoveNames(t.Context(), "a", "never was"); err != nil {
		t.Fatal(err)
	}
	present("forgotten", false)
	if count, size, err := s.Usage(t.Context()); err != nil || count != 0 || size != 0 {
		t.Errorf("%d blobs of %d bytes, %v", count, size, err)
	}
}

func TestNamesMoveTogetherOrNotAtAll(t *testing.T) {
	s := open(t, t.TempDir())
	a, b := descriptorOf("a"), descriptorOf("b")
	if err := s.SetNames(t.Context(), Name{Name: "x", Target: a, Labels: map[string]string{"k": "1"}}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetNames(t.Context(), Name{Name: "x", Target: b}, Name{Name: "", Target: b}); err == nil {
		t.Fatal("a name without letters was accepted")
	}
	names, err := s.Names(t.Context())
	if err != nil || len(names) != 1 || names[0].Target.Digest != a.Digest || names[0].Labels["k"] != "1" {
		t.Errorf("names = %v, %v", names, err)
	}
}

// A transfer goes on where an earlier one of the same blob stopped.
func TestFetchGoesOn(t *testing.T) {
	s := open(t, t.TempDir())
	held, release := lease(t, s)
	defer release()
	body := "the whole of it"
	desc := descriptorOf(body)
	w, err := content.OpenWriter(held, s.blobs, content.WithRef(ingestOf(desc)), content.WithDescriptor(desc))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(body[:4])); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	from := &source{Reader: strings.NewReader(body)}
	if err := s.Fetch(held, desc, func(context.Context) (io.ReadCloser, error) { return from, nil }); err != nil {
		t.Fatal(err)
	}
	if from.from != 4 {
		t.Errorf("read from byte %d", from.from)
	}
	if got, err := s.Read(t.Context(), desc, 100); err != nil || string(got) != body {
		t.Errorf("blob = %q, %v", got, err)
	}
	// Present: nothing is opened.
	if err := s.Fetch(held, desc, func(context.Context) (io.ReadCloser, error) { return nil, errors.New("opened") }); err != nil {
		t.Error(err)
	}
}

// A lease that was made and is not held is stale; that of a transfer under way is not.
func TestStaleLeases(t *testing.T) {
	s := open(t, t.TempDir())
	_, release := lease(t, s)
	abandoned, err := s.leases.Create(Context(t.Context()), leases.WithID("abandoned"))
	if err != nil {
		t.Fatal(err)
	}
	for _, remove := range []bool{false, true} {
		if stale, err := s.StaleLeases(t.Context(), remove); err != nil || !slices.Equal(stale, []string{abandoned.ID}) {
			t.Errorf("remove %t: %v, %v", remove, stale, err)
		}
	}
	if stale, err := s.StaleLeases(t.Context(), false); err != nil || len(stale) != 0 {
		t.Errorf("removed, and still there: %v, %v", stale, err)
	}
	if held, err := s.Leases(t.Context()); err != nil || len(held) != 1 {
		t.Errorf("held: %v, %v", held, err)
	}
	release()
	if held, err := s.Leases(t.Context()); err != nil || len(held) != 0 {
		t.Errorf("released: %v, %v", held, err)
	}
}

func TestFetchOfOtherBytes(t *testing.T) {
	s := open(t, t.TempDir())
	held, release := lease(t, s)
	for got, want := range map[string]error{"other": ErrDigest, "long enough": ErrLength, "": ErrLength} {
		desc := descriptorOf("right")
		err := s.Fetch(held, desc, func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(got)), nil })
		var mismatch *MismatchError
		if !errors.Is(err, want) || !errors.As(err, &mismatch) || !errdefs.IsDataLoss(err) {
			t.Errorf("%q: %v", got, err)
		}
		if err := s.Check(t.Context(), desc); !errdefs.IsNotFound(err) {
			t.Errorf("%q became the blob: %v", got, err)
		}
		if err := s.Recover(t.Context()); err != nil { // drops what was received
			t.Fatal(err)
		}
		held, release = lease(t, s)
	}
	release()
}

func TestReadIsBounded(t *testing.T) {
	s := open(t, t.TempDir())
	held, release := lease(t, s)
	defer release()
	desc := fetch(held, t, s, "12345")
	if _, err := s.Read(t.Context(), desc, 4); !errdefs.IsInvalidArgument(err) {
		t.Errorf("error = %v", err)
	}
	if _, err := s.Read(t.Context(), descriptorOf("absent"), 4); !errdefs.IsNotFound(err) {
		t.Errorf("absent: %v", err)
	}
}

func TestOpenedBlobOutlivesItsRemoval(t *testing.T) {
	s := open(t, t.TempDir())
	held, release := lease(t, s)
	desc := fetch(held, t, s, "module")
	f, err := s.OpenFile(t.Context(), desc.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	release()
	if err := s.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(f); err != nil || string(body) != "module" {
		t.Errorf("%q, %v", body, err)
	}
	if _, err := s.OpenFile(t.Context(), desc.Digest); !errdefs.IsNotFound(err) {
		t.Errorf("removed: %v", err)
	}
}

func TestRecoverTakesBackWhatWasUnderWay(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	held, _ := lease(t, s)
	kept, lost := fetch(held, t, s, "kept"), fetch(held, t, s, "lost")
	if err := s.SetNames(t.Context(), Name{Name: "kept", Target: kept}); err != nil {
		t.Fatal(err)
	}
	half := descriptorOf("half")
	w, err := content.OpenWriter(held, s.blobs, content.WithRef(ingestOf(half)), content.WithDescriptor(half))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, bytes.NewReader([]byte("ha"))); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := s.Close(); err != nil { // as a kill does: the lease stays
		t.Fatal(err)
	}

	s = open(t, root)
	if held, err := s.Leases(t.Context()); err != nil || len(held) != 1 {
		t.Fatalf("leases = %v, %v", held, err)
	}
	if err := s.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if held, err := s.Leases(t.Context()); err != nil || len(held) != 0 {
		t.Errorf("leases = %v, %v", held, err)
	}
	if statuses, err := s.files.ListStatuses(Context(t.Context())); err != nil || len(statuses) != 0 {
		t.Errorf("partial blobs = %v, %v", statuses, err)
	}
	if err := s.Check(t.Context(), kept); err != nil {
		t.Errorf("named blob: %v", err)
	}
	if err := s.Check(t.Context(), lost); !errdefs.IsNotFound(err) {
		t.Errorf("blob without a name: %v", err)
	}
}
