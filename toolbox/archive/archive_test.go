// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/toolbox/command"
)

func run(dir string, in []byte, args ...string) (out, errs string, code int) {
	var stdout, stderr bytes.Buffer
	c := &command.Call{Name: "tar", Args: args, Dir: dir, Stdin: bytes.NewReader(in), Stdout: &stdout, Stderr: &stderr}
	code = tarCommand(context.Background(), c)
	return stdout.String(), stderr.String(), code
}

// archiveOf makes an archive of headers with the content "x".
func archiveOf(tb testing.TB, headers ...tar.Header) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content = "x"
			h.Size = 1
		}
		if err := w.WriteHeader(&h); err != nil {
			tb.Fatal(err)
		}
		io.WriteString(w, content)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// Nothing is written outside of the directory an archive is extracted to.
func TestAnArchiveStaysWhereItIsPut(t *testing.T) {
	for name, s := range map[string]struct {
		headers []tar.Header
		code    int
		made    string
	}{
		"upwards":              {[]tar.Header{{Name: "../../up", Typeflag: tar.TypeReg}}, 0, "in/up"},
		"absolute":             {[]tar.Header{{Name: "/abs", Typeflag: tar.TypeReg}}, 0, "in/abs"},
		"through its own link": {[]tar.Header{{Name: "l", Typeflag: tar.TypeSymlink, Linkname: ".."}, {Name: "l/f", Typeflag: tar.TypeReg}}, 1, "in/l"},
		"over its own link":    {[]tar.Header{{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../f"}, {Name: "l", Typeflag: tar.TypeReg}}, 0, "in/l"},
		"a hard link upwards":  {[]tar.Header{{Name: "h", Typeflag: tar.TypeLink, Linkname: "../outside"}}, 1, ""},
		"a device":             {[]tar.Header{{Name: "d", Typeflag: tar.TypeChar}}, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			os.WriteFile(filepath.Join(dir, "outside"), []byte("as it was"), 0o600)
			in := filepath.Join(dir, "in")
			os.Mkdir(in, 0o700)
			_, errs, code := run(in, archiveOf(t, s.headers...), "xf", "-")
			if code != s.code || (errs == "") != (code == 0) {
				t.Errorf("%d %s", code, errs)
			}
			if s.made != "" {
				if _, err := os.Lstat(filepath.Join(dir, s.made)); err != nil {
					t.Error(err)
				}
			}
			entries, err := os.ReadDir(dir)
			content, rerr := os.ReadFile(filepath.Join(dir, "outside"))
			if err != nil || rerr != nil || len(entries) != 2 || string(content) != "as it was" {
				t.Errorf("%v %q, %v, %v", entries, content, err, rerr)
			}
		})
	}
}

func TestTimesAndCutArchives(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	os.MkdirAll(filepath.Join(src, "d"), 0o700)
	os.WriteFile(filepath.Join(src, "d", "f"), bytes.Repeat([]byte("a"), 5000), 0o600)
	packed, errs, code := run(src, nil, "cf", "-", "d")
	if code != 0 {
		t.Fatal(errs)
	}
	if _, errs, code := run(dst, []byte(packed), "xf", "-"); code != 0 {
		t.Fatal(errs)
	}
	for _, name := range []string{"d", "d/f"} {
		a, errA := os.Stat(filepath.Join(src, name))
		b, errB := os.Stat(filepath.Join(dst, name))
		if errA != nil || errB != nil || a.ModTime().Unix() != b.ModTime().Unix() {
			t.Errorf("%s: %v %v", name, a, b)
		}
	}
	if _, errs, code := run(dst, []byte(packed)[:3000], "xf", "-"); code != 1 || !strings.Contains(errs, "unexpected EOF") {
		t.Errorf("cut: %d %q", code, errs)
	}
	for _, args := range [][]string{{}, {"-c", "-x"}, {"cf", "-"}, {"xf", "none"}, {"-Zx"}, {"-xC", "none"}} {
		if _, errs, code := run(dst, nil, args...); code == 0 || errs == "" {
			t.Errorf("%q: %d %q", args, code, errs)
		}
	}
}

func FuzzExtract(f *testing.F) {
	f.Add(archiveOf(f, tar.Header{Name: "d/", Typeflag: tar.TypeDir}, tar.Header{Name: "d/f", Typeflag: tar.TypeReg}))
	f.Add(archiveOf(f, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/"}, tar.Header{Name: "l/../x", Typeflag: tar.TypeReg}))
	f.Add(archiveOf(f, tar.Header{Name: "a", Typeflag: tar.TypeReg}, tar.Header{Name: "b/c", Typeflag: tar.TypeLink, Linkname: "a"}))
	f.Fuzz(func(t *testing.T, packed []byte) {
		if len(packed) > 1<<16 {
			return
		}
		dir := t.TempDir()
		in := filepath.Join(dir, "in")
		os.Mkdir(in, 0o700)
		run(in, packed, "xf", "-")
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 || entries[0].Name() != "in" {
			t.Fatalf("outside: %v, %v", entries, err)
		}
		err = filepath.WalkDir(in, func(path string, _ fs.DirEntry, err error) error {
			if !strings.HasPrefix(path, in) {
				t.Errorf("outside: %s", path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}
