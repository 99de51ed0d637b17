// SPDX-License-Identifier: Apache-2.0

package foreground

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/containerd/errdefs"
)

func TestParseDir(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for text, want := range map[string]Dir{
		dir:              {Host: dir, Guest: dir},
		".":              {Host: dir, Guest: dir},
		".:/data":        {Host: dir, Guest: "/data"},
		".:/a/../data/":  {Host: dir, Guest: "/data"},
		".:/data:ro":     {Host: dir, Guest: "/data", ReadOnly: true},
		dir + "/.:/d:ro": {Host: dir, Guest: "/d", ReadOnly: true},
	} {
		if got, err := ParseDir(text); err != nil || got != want {
			t.Errorf("%q is %+v (%v), want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", ":/data", ".:", ".:data", ".:/", ".:/..", ".:/data:rw", ".:/data:", ".:/data:ro:ro"} {
		if got, err := ParseDir(text); !errors.Is(err, errDir) {
			t.Errorf("%q is %+v (%v)", text, got, err)
		}
	}
	if _, err := ParseDir("absent:/data"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is absent: %v", err)
	}
}

func TestTheUsersVariablesWin(t *testing.T) {
	o := Options{Env: []string{"B=user", "C=a=b", "HOSTNAME="}}
	image := []string{"A=image", "B=image", "PATH=/image"}
	got := o.environment(image, "/work")
	want := []string{"PATH=/image", "HOSTNAME=", "PWD=/work", "A=image", "B=user", "C=a=b"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("environment is %q, want %q", got, want)
	}
	o.ClearEnv = true
	if got := o.environment(image, "/work"); !reflect.DeepEqual(got, o.Env) {
		t.Errorf("the cleared environment is %q, want %q", got, o.Env)
	}
}

func TestTheStoreIsTheUsers(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	for data, want := range map[string]string{
		"":         filepath.Join(home, ".local/share/wazelet"),
		"relative": filepath.Join(home, ".local/share/wazelet"), // the specification has it ignored
		"/data":    "/data/wazelet",
	} {
		t.Setenv("XDG_DATA_HOME", data)
		if got, err := DefaultStore(); err != nil || got != want {
			t.Errorf("with XDG_DATA_HOME=%q it is %q (%v), want %q", data, got, err, want)
		}
	}
	t.Setenv("HOME", "")
	t.Setenv("XDG_DATA_HOME", "")
	if got, err := DefaultStore(); err == nil {
		t.Errorf("without a home it is %q", got)
	}
}

func TestExitCode(t *testing.T) {
	for class, want := range map[error]int{
		errdefs.ErrNotFound:           CodeNotFound,
		errdefs.ErrInvalidArgument:    CodeNotRunnable,
		errdefs.ErrFailedPrecondition: CodeNotRunnable,
		errdefs.ErrUnavailable:        CodeOwn,
		errors.ErrUnsupported:         CodeOwn,
	} {
		if got := ExitCode(fmt.Errorf("it: %w", class)); got != want {
			t.Errorf("%v is %d, want %d", class, got, want)
		}
	}
}
