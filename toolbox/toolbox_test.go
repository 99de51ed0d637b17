// SPDX-License-Identifier: Apache-2.0

package toolbox_test

import (
	"bytes"
	"io/fs"
	"os"
	"slices"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/toolbox"
)

func TestTheModuleIsThereOrIsSaidNotToBe(t *testing.T) {
	module, err := toolbox.Module()
	if _, absent := os.Stat("module/toolbox.wasm.gz"); absent != nil {
		if !errdefs.IsNotFound(err) || module != nil {
			t.Errorf("without the file: %d bytes, %v", len(module), err)
		}
		return
	}
	if err != nil || !bytes.HasPrefix(module, []byte("\x00asm\x01\x00\x00\x00")) {
		t.Errorf("%d bytes, %v", len(module), err)
	}
}

func TestNamesAreSortedAndKnown(t *testing.T) {
	names := toolbox.Names()
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("not sorted, or not unique: %v", names)
	}
	for _, name := range names {
		if !toolbox.Has(name) {
			t.Errorf("Has(%q) is false", name)
		}
	}
	for _, name := range []string{"", "toolbox", "no-such", "/bin/sh"} {
		if toolbox.Has(name) {
			t.Errorf("Has(%q)", name)
		}
	}
	names[0] = "changed"
	if toolbox.Names()[0] == "changed" {
		t.Error("Names hands out its own list")
	}
}

// A clean clone has nothing to embed but the note.
func TestThereIsAlwaysSomethingToEmbed(t *testing.T) {
	if _, err := fs.Stat(os.DirFS("module"), "README.md"); err != nil {
		t.Error(err)
	}
}
