// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestCompiledAtPull: the module cache holds what an image means once it is
// pulled, and a container adds nothing to it.
func TestCompiledAtPull(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	compiled := func() []string {
		entries, err := filepath.Glob(filepath.Join(n.dir, "root/modules/*"))
		if err != nil {
			t.Fatal(err)
		}
		return entries
	}
	n.pull("registry.example/tiny/pause:1.0")
	pulled := compiled()
	equal(t, "compiled modules after the pull", len(pulled), 1)
	config := n.sandboxConfig("pod")
	sandbox := n.sandbox(config)
	before, err := os.Stat(pulled[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		n.create(n.containerRequest(sandbox, config, name, "registry.example/tiny/pause:1.0"))
	}
	equal(t, "compiled modules after two containers", fmt.Sprint(compiled()), fmt.Sprint(pulled))
	after, err := os.Stat(pulled[0])
	if err != nil || !after.ModTime().Equal(before.ModTime()) || !os.SameFile(before, after) {
		t.Errorf("the compiled module was written again: %v, %v, %v", before, after, err)
	}
}
