// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"
)

// The kernel's overlayfs is the judge: whatever layers there are, each name leads to the same file or the same error as
// under a mount of them.
func TestTreeAgreesWithTheKernel(t *testing.T) {
	for name, rounds := range map[string]uint64{Overlay: 30, Native: 5} {
		t.Run(name, func(t *testing.T) {
			ctx, s := newStore(t, name)
			for seed := range rounds {
				rng := rand.New(rand.NewPCG(seed, 1))
				var chain digest.Digest
				var made []string
				for range 1 + rng.IntN(4) {
					archive, entries := randomLayer(t, rng)
					next, err := unpack(ctx, s, chain, archive, NewBudget(1<<20))
					if err != nil { // a layer that contradicts itself, such as a file below a file
						continue
					}
					chain, made = next, append(made, entries)
				}
				id := fmt.Sprintf("c%d", seed)
				mounts, err := s.PrepareRoot(ctx, id, chain)
				if err != nil {
					t.Fatal(err)
				}
				tree, err := s.Tree(ctx, chain)
				if err != nil {
					t.Fatal(err)
				}
				compare(t, tree, mounts, strings.Join(made, " | "))
				if _, err := s.RemoveRoot(ctx, id, unwanted); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// randomLayer makes a layer of a few entries with a few names, so that layers meet.
func randomLayer(t *testing.T, rng *rand.Rand) (archive []byte, description string) {
	names := []string{"a", "b", "c"}
	pick := func() string { return names[rng.IntN(len(names))] }
	var entries []entryOf
	var said []string
	for range 1 + rng.IntN(5) {
		dir := strings.Repeat("x/", rng.IntN(2))
		for range rng.IntN(3) {
			dir += pick() + "/"
		}
		name := dir + pick()
		var e entryOf
		switch rng.IntN(8) {
		case 0:
			e = directory(name)
		case 1:
			e = symlink(name, []string{pick(), "../" + pick(), "/" + pick() + "/" + pick(), "../../../../" + pick(), ".", pick() + "/"}[rng.IntN(6)])
		case 2:
			e = regular(dir+".wh."+pick(), "")
		case 3:
			e = regular(dir+".wh..wh..opq", "")
		default:
			e = regular(name, rng64(rng))
		}
		entries = append(entries, e)
		said = append(said, fmt.Sprintf("%c %s %s", e.Typeflag, e.Name, e.Linkname))
	}
	return archiveOf(t, entries...), strings.Join(said, ", ")
}

func rng64(rng *rand.Rand) string { return fmt.Sprint(rng.Uint64()) }

// compare looks up all short names in the tree and under a mount.
func compare(t *testing.T, tree Tree, mounts []mount.Mount, layers string) {
	t.Helper()
	var names []string
	parts := []string{"a", "b", "c", "x", "..", ".", ""}
	for _, p := range parts {
		names = append(names, p)
		for _, q := range parts {
			names = append(names, p+"/"+q)
			for _, r := range parts {
				names = append(names, p+"/"+q+"/"+r, "/x/"+p+"/"+q+"/"+r)
			}
		}
	}
	target := t.TempDir()
	apart(t, func() error {
		if err := mounts[0].Mount(target); err != nil {
			return err
		}
		root, err := unix.Open(target, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(root)
		for _, name := range names {
			want, wantErr := kernelOpen(root, name)
			got, gotErr := treeOpen(tree, name)
			if got != want || !errors.Is(gotErr, wantErr) {
				t.Errorf("%q is %q, %v; under a mount %q, %v\nlayers: %s", name, got, gotErr, want, wantErr, layers)
			}
		}
		return nil
	})
}

// apart runs fn on a thread of its own in a mount namespace of its own; both end with it, and all mounts made in it.
func apart(t *testing.T, fn func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		goruntime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err == nil {
			err = fn()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func kernelOpen(root int, name string) (string, error) {
	if name == "" {
		name = "."
	}
	how := &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK, Resolve: unix.RESOLVE_IN_ROOT}
	fd, err := unix.Openat2(root, name, how)
	for errors.Is(err, unix.EAGAIN) { // something was mounted or renamed anywhere, see openat2(2)
		fd, err = unix.Openat2(root, name, how)
	}
	if err != nil {
		return "", err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	body, err := io.ReadAll(f)
	var errno syscall.Errno
	if errors.As(err, &errno) { // reading a directory
		return "", errno
	}
	return string(body), err
}

func treeOpen(tree Tree, name string) (string, error) {
	f, resolved, err := tree.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	body, err := io.ReadAll(f)
	if again, _, againErr := tree.Open(resolved); againErr != nil {
		return "", fmt.Errorf("resolved name %s: %w", resolved, againErr)
	} else {
		again.Close()
	}
	return string(body), err
}

func TestTreeOpen(t *testing.T) {
	ctx, s := newStore(t, Overlay)
	chain := mustUnpack(ctx, t, s, archiveOf(t,
		regular("etc/file", "lower"), symlink("link", "/etc/file"), symlink("loop", "loop"), symlink("out", "../../../../../../etc/hostname"),
		entryOf{tarFifo("pipe"), ""}, directory("dir")), archiveOf(t, regular("etc/file", "upper")))
	tree, err := s.Tree(ctx, chain)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		body, resolved string
		err            error
	}{
		"/etc/file":              {"upper", "/etc/file", nil},
		"../../etc/file":         {"upper", "/etc/file", nil},
		"link":                   {"upper", "/etc/file", nil},
		"/dir/../link":           {"upper", "/etc/file", nil},
		"/none":                  {err: fs.ErrNotExist},
		"/none/../etc/file":      {err: fs.ErrNotExist},
		"loop":                   {err: unix.ELOOP},
		"out":                    {err: fs.ErrNotExist},
		"/etc":                   {err: unix.EISDIR},
		"/":                      {err: unix.EISDIR},
		"/etc/file/":             {err: unix.ENOTDIR},
		"/etc/file/..":           {err: unix.ENOTDIR},
		"pipe":                   {err: unix.EINVAL}, // and not a wait for a writer
		"etc/.wh.file":           {err: fs.ErrNotExist},
		strings.Repeat("a", 300): {err: unix.ENAMETOOLONG},
		"nul\x00":                {err: unix.EINVAL},
	} {
		f, resolved, err := tree.Open(name)
		if want.err != nil {
			if !errors.Is(err, want.err) {
				t.Errorf("%.20q: %v, want %v", name, err, want.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		body, err := io.ReadAll(f)
		f.Close()
		if err != nil || string(body) != want.body || resolved != want.resolved {
			t.Errorf("%q = %q at %s, %v", name, body, resolved, err)
		}
	}
	if _, _, err := (Tree{}).Open("x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("empty tree: %v", err)
	}
}

// The directories a tree reads are those a container's mount shows.
func TestTreeReadsTheMountedLayers(t *testing.T) {
	ctx, s := newStore(t, Overlay)
	chain := mustUnpack(ctx, t, s, archiveOf(t, regular("a", "1")), archiveOf(t, regular("b", "2")))
	mounts, err := s.PrepareRoot(ctx, "c", chain)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := s.Tree(ctx, chain)
	if err != nil {
		t.Fatal(err)
	}
	if want := "lowerdir=" + strings.Join(tree.layers, ":"); !strings.Contains(strings.Join(mounts[0].Options, ","), want) {
		t.Errorf("mount options %v lack %s", mounts[0].Options, want)
	}
	for _, dir := range tree.layers {
		if rel, err := filepath.Rel(s.Dir(), dir); err != nil || !filepath.IsLocal(rel) {
			t.Errorf("%s is not under %s", dir, s.Dir())
		}
	}
}
