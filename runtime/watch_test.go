// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

func TestReadExit(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		content string
		code    int32
		none    bool
		bad     bool
	}{
		"whole":   {content: `{"Code":3,"Reason":"Error"}`, code: 3},
		"empty":   {content: "", none: true},
		"torn":    {content: `{"Code":3,"Rea`, bad: true},
		"garbage": {content: "\x00\xff", bad: true},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		exit, err := readExit(path)
		if errors.Is(err, spec.ErrNoExit) != c.none || (err != nil) != (c.none || c.bad) || exit.Code != c.code {
			t.Errorf("%s: got %+v, %v", name, exit, err)
		}
	}
	if _, err := readExit(filepath.Join(dir, "absent")); !errors.Is(err, spec.ErrNoExit) {
		t.Errorf("absent: got %v", err)
	}
}

// FuzzReadExit feeds the exit record's reader what a broken worker might leave.
func FuzzReadExit(f *testing.F) {
	f.Add([]byte(`{"Code":137,"Reason":"Error","Message":"x","StartedAt":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"Code":1e99}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "exit.json")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if exit, err := readExit(path); err != nil && exit.Code != 0 {
			t.Errorf("a refused record still says %+v", exit)
		}
	})
}
