// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// files does with the standard library what programs do with files.
func files() error {
	if err := os.MkdirAll("/a/b/c", 0o755); err != nil {
		return err
	}
	if err := os.Chdir("/a"); err != nil {
		return err
	}
	for i := range 300 {
		if err := os.WriteFile(fmt.Sprintf("b/f%03d", i), []byte{byte(i)}, 0o644); err != nil {
			return err
		}
	}
	if err := links(); err != nil {
		return err
	}
	if err := contents(); err != nil {
		return err
	}
	return walk()
}

func links() error {
	if err := os.Symlink("b/f007", "link"); err != nil {
		return err
	}
	if target, err := os.Readlink("link"); err != nil || target != "b/f007" {
		return fmt.Errorf("readlink: %q, %w", target, err)
	}
	if b, err := os.ReadFile("link"); err != nil || len(b) != 1 || b[0] != 7 {
		return fmt.Errorf("through the link: %v, %w", b, err)
	}
	if err := os.Link("b/f008", "hard"); err != nil {
		return err
	}
	one, err := os.Stat("hard")
	if err != nil {
		return err
	}
	two, err := os.Stat("b/f008")
	if err != nil || !os.SameFile(one, two) {
		return fmt.Errorf("hard link is another file: %w", err)
	}
	if err := os.Rename("hard", "b/c/moved"); err != nil {
		return err
	}
	if _, err := os.Stat("hard"); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("renamed file: %w", err)
	}
	return nil
}

func contents() error {
	f, err := os.OpenFile("data", os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.WriteString("hello world"); err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte("W"), 6); err != nil {
		return err
	}
	if err := f.Truncate(8); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if b, err := io.ReadAll(f); err != nil || string(b) != "hello Wo" {
		return fmt.Errorf("data: %q, %w", b, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	when := time.Unix(1600000000, 5)
	if err := os.Chtimes("data", when, when); err != nil {
		return err
	}
	if st, err := os.Stat("data"); err != nil || !st.ModTime().Equal(when) {
		return fmt.Errorf("mtime: %v, %w", st.ModTime(), err)
	}
	if _, err := os.Open("/nonexistent"); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("missing file: %w", err)
	}
	return nil
}

func walk() error {
	n := 0
	err := filepath.WalkDir("/a", func(_ string, _ fs.DirEntry, err error) error {
		n++
		return err
	})
	if err != nil {
		return err
	}
	fmt.Println("entries:", n)
	if err := os.RemoveAll("/a"); err != nil {
		return err
	}
	left, err := os.ReadDir("/")
	fmt.Println("left:", len(left))
	return err
}
