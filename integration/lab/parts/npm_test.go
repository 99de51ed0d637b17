// SPDX-License-Identifier: Apache-2.0

package parts

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An archive's module is taken for one only if it is the one that was meant.
func TestExtract(t *testing.T) {
	path := filepath.Join(t.TempDir(), "package.tgz")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(file)
	w := tar.NewWriter(z)
	for name, content := range map[string]string{"package/package.json": "{}", "package/gen/a.wasm": "hello"} {
		err = errors.Join(err, w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644, Typeflag: tar.TypeReg}))
		_, writeErr := io.WriteString(w, content)
		err = errors.Join(err, writeErr)
	}
	if err := errors.Join(err, w.Close(), z.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	const sum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	if content, err := (Module{File: "gen/a.wasm", SHA256: sum}).extract(path); string(content) != "hello" || err != nil {
		t.Errorf("%q, %v", content, err)
	}
	for _, c := range []struct {
		module Module
		want   string
	}{
		{Module{File: "gen/a.wasm", SHA256: "00"}, "has another digest than sha256:00"},
		{Module{File: "gen/b.wasm", SHA256: sum}, "no file gen/b.wasm"},
	} {
		if content, err := c.module.extract(path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q, %v; want %q", content, err, c.want)
		}
	}
}
