// SPDX-License-Identifier: Apache-2.0

package runtime_test

import (
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/integration/lab/image"
	"github.com/wazelet/wazelet/runtime"
)

// What containers run beside their images' programs is compiled for them, and stays as
// long as one of these images does.
func TestReleaseOfWhatContainersHaveRun(t *testing.T) {
	d := newDaemon(t)
	other, toolbox := tiny.Hello("other\n"), tiny.Hello("toolbox\n")
	name := digest.FromBytes(other).String()
	sb := d.pod("one")
	var ids []string
	for _, tag := range []string{"a:1", "b:1"} {
		img, err := image.Files(image.Config{Entrypoint: []string{"/app.wasm"}, Labels: map[string]string{"tag": tag}},
			image.File{Path: "app.wasm", Content: tiny.Hello("app\n")}, image.File{Path: "other.wasm", Content: other})
		pulled, err := d.images.Pull(t.Context(), d.push(tag, img, err), nil)
		d.must(err)
		ids = append(ids, pulled.ID)
		for _, container := range []string{"first", "second"} {
			d.create(sb, pulled, func(c *runtime.Config) { c.Name, c.Command = container+tag[:1], []string{"/other.wasm"} })
		}
	}
	ensure(t, d.modules, toolbox) // and of no image
	nothing := func(string) bool { return false }
	is := func(want string) func(string) bool { return func(s string) bool { return s == want } }
	for _, step := range []struct {
		what      string
		has, runs func(string) bool
		stays     bool
	}{
		{"an image that has used it stays", is(ids[1]), nothing, true},
		{"it is a program of another", nothing, is(name), true},
		{"nobody known has used it", nothing, nothing, true},
	} {
		d.must(d.modules.Release("", step.has, step.runs))
		if d.modules.Has(name) != step.stays {
			t.Errorf("%s: there is a compiled form: %t", step.what, !step.stays)
		}
	}

	// Another daemon finds the entry whole, with its images.
	d.create(sb, imageservice.Image{ID: ids[0]}, func(c *runtime.Config) { c.Name, c.Command = "third", []string{"/other.wasm"} })
	again := cache(t, filepath.Join(d.root, "modules"), 0)
	all := func(digest.Digest) bool { return true }
	if _, findings, err := again.Check(t.Context(), all, false); err != nil || len(findings) > 0 {
		t.Errorf("findings %v, %v", findings, err)
	}
	d.must(again.Release("", nothing, nothing))
	if again.Has(name) {
		t.Error("it stays without an image")
	}
	if n := entriesOf(t, filepath.Join(d.root, "modules")); n != 1 {
		t.Errorf("%d entries are left, want that of no image", n)
	}
	d.must(again.Release(digest.FromBytes(toolbox).String(), nothing, is(digest.FromBytes(toolbox).String())))
	d.must(again.Release(digest.FromBytes(toolbox).String(), nothing, nothing))
	if n := entriesOf(t, filepath.Join(d.root, "modules")); n != 0 {
		t.Errorf("%d entries are left after the last image with the program", n)
	}
}
