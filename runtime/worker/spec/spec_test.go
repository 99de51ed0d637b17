// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseExit(t *testing.T) {
	for name, c := range map[string]struct {
		raw     string
		want    Exit
		wantErr string
	}{
		"nothing": {"", Exit{}, "no exit record"},
		"record": {
			`{"Code":3,"Reason":"Error","Message":"m","StartedAt":"2026-01-02T03:04:05Z","FinishedAt":"2026-01-02T03:04:06Z"}`,
			Exit{3, "Error", "m", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)}, "",
		},
		"torn record": {`{"Code":3,`, Exit{}, "exit record: unexpected end of JSON input"},
		"crash":       {"fatal error: out of memory\n\ngoroutine 1", Exit{Code: 134, Reason: "Error", Message: "worker crashed: fatal error: out of memory"}, ""},
		"garbage":     {"\xff\xfe", Exit{Code: 134, Reason: "Error", Message: "worker crashed: �"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseExit([]byte(c.raw))
			if got != c.want || (err == nil) != (c.wantErr == "") || err != nil && err.Error() != c.wantErr {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestReadExit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "exit.json")
	if exit, err := ReadExit(path); !errors.Is(err, ErrNoExit) {
		t.Errorf("absent: %+v, %v", exit, err)
	}
	for content, code := range map[string]int32{
		`{"Code":3,"Reason":"Error"}`: 3,
		// More than is read of a file, as goroutines' stacks may be.
		"fatal error: x\n" + strings.Repeat("stack\n", maxExit): exitCrash,
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if exit, err := ReadExit(path); err != nil || exit.Code != code {
			t.Errorf("%.20q: %+v, %v", content, exit, err)
		}
	}
	if exit, err := ReadExit(filepath.Dir(path)); err == nil || errors.Is(err, ErrNoExit) {
		t.Errorf("a directory: %+v, %v", exit, err)
	}
}

func FuzzParseExit(f *testing.F) {
	f.Add([]byte(`{"Code":1}`))
	f.Add([]byte("panic: x\n"))
	f.Add([]byte(`{"Code":137,"Reason":"Error","Message":"x","StartedAt":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"Code":1e99}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		exit, err := ParseExit(raw)
		if err != nil && exit != (Exit{}) {
			t.Errorf("%+v beside %v", exit, err)
		}
		if len(raw) > 0 && raw[0] != '{' && len(exit.Message) > 4*maxMessage {
			t.Errorf("message of %d bytes", len(exit.Message))
		}
	})
}

func TestAsFailureKeepsClassAndWords(t *testing.T) {
	wrapped := fmt.Errorf("mount /data: %w", Failf(NotFound, "source %s does not exist", "/x"))
	if got := AsFailure(wrapped); got.Class != NotFound || got.Message != "mount /data: source /x does not exist" {
		t.Errorf("got %+v", got)
	}
	if got := AsFailure(errors.New("odd")); got.Class != Internal || got.Message != "odd" {
		t.Errorf("got %+v", got)
	}
	if AsFailure(nil) != nil {
		t.Error("nothing became a failure")
	}
	if err := Failf(Invalid, "x: %w", fs.ErrNotExist); strings.Contains(err.Error(), "%!") {
		t.Errorf("got %v", err)
	}
}

func TestModulePath(t *testing.T) {
	for name, want := range map[string]string{
		"hello.wasm": "/hello.wasm", "dir/hello.wasm": "/hello.wasm", "../../x": "/x", "/a/b/": "/b", "..": "/", "": "/",
	} {
		if got := (&ModuleFile{Name: name}).Path(); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}
