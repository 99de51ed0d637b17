// SPDX-License-Identifier: Apache-2.0

package push

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/wazelet/wazelet/imageservice"
)

var (
	module    = []byte("\x00asm\x01\x00\x00\x00")
	component = []byte("\x00asm\x0d\x00\x01\x00")
)

// built are the manifest and the configuration of an image of one file.
func built(t *testing.T, content []byte, o Options) (manifest, config string) {
	t.Helper()
	o.Path = filepath.Join(t.TempDir(), "hello.wasm")
	if err := os.WriteFile(o.Path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	image, err := Build(o)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	body, err := image.blobs[0].open()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(image.Manifest), string(raw)
}

// filled puts digests and sizes into what a tool writes.
func filled(template, config string, content []byte) string {
	return strings.NewReplacer(
		"{CONFIG}", digest.FromString(config).String(), "{CONFIGSIZE}", fmt.Sprint(len(config)),
		"{SUM}", digest.FromBytes(content).String(), "{SIZE}", fmt.Sprint(len(content)),
	).Replace(template)
}

// What is pushed has the types, the configuration and the members that the tool of its format writes; the order of the
// manifest's members is image-spec's, and the times are the same each time.
func TestFormsOfTools(t *testing.T) {
	const (
		title  = `"annotations":{"org.opencontainers.image.title":"hello.wasm"}`
		before = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",`
	)
	for name, c := range map[string]struct {
		content          []byte
		options          Options
		manifest, config string
	}{
		// wkg oci push, but for the layer's title.
		"wkg": {module, Options{},
			before + `"config":{"mediaType":"application/vnd.wasm.config.v0+json","digest":"{CONFIG}","size":{CONFIGSIZE}},"layers":[{"mediaType":"application/wasm","digest":"{SUM}","size":{SIZE},` + title + `}]}`,
			`{"created":"1970-01-01T00:00:00Z","author":null,"architecture":"wasm","os":"wasip1","layerDigests":["{SUM}"],"component":null}`},
		"wkg, component": {component, Options{Component: &Component{Imports: []string{"wasi:io/error@0.2.0"}, Exports: []string{"wasi:cli/run@0.2.0"}}},
			before + `"config":{"mediaType":"application/vnd.wasm.config.v0+json","digest":"{CONFIG}","size":{CONFIGSIZE}},"layers":[{"mediaType":"application/wasm","digest":"{SUM}","size":{SIZE},` + title + `}]}`,
			`{"created":"1970-01-01T00:00:00Z","author":null,"architecture":"wasm","os":"wasip2","layerDigests":["{SUM}"],"component":{"exports":["wasi:cli/run@0.2.0"],"imports":["wasi:io/error@0.2.0"],"target":null}}`},
		// oras push --artifact-type application/wasm REF hello.wasm:application/wasm, but for the date and the configuration's own bytes in its descriptor.
		"oras": {module, Options{Format: imageservice.FormatArtifact},
			before + `"artifactType":"application/wasm","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{CONFIG}","size":2},"layers":[{"mediaType":"application/wasm","digest":"{SUM}","size":{SIZE},` + title + `}]}`,
			`{}`},
		// wasm-to-oci push hello.wasm REF, which leaves the manifest's type out.
		"wasm-to-oci": {module, Options{Format: imageservice.FormatLegacy},
			before + `"config":{"mediaType":"application/vnd.wasm.config.v1+json","digest":"{CONFIG}","size":2},"layers":[{"mediaType":"application/vnd.wasm.content.layer.v1+wasm","digest":"{SUM}","size":{SIZE},` + title + `}]}`,
			`{}`},
		// oci-tar-builder of runwasi.
		"runwasi": {module, Options{Format: imageservice.FormatLayer, Entrypoint: []string{"hello.wasm"}},
			before + `"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{CONFIG}","size":{CONFIGSIZE}},"layers":[{"mediaType":"application/vnd.bytecodealliance.wasm.component.layer.v0+wasm","digest":"{SUM}","size":{SIZE},` + title + `}]}`,
			`{"architecture":"wasm","os":"wasip1","config":{"Entrypoint":["hello.wasm"]},"rootfs":{"type":"layers","diff_ids":["{SUM}"]}}`},
	} {
		t.Run(name, func(t *testing.T) {
			manifest, config := built(t, c.content, c.options)
			if want := filled(c.config, "", c.content); config != want {
				t.Errorf("configuration\ngot  %s\nwant %s", config, want)
			}
			if want := filled(c.manifest, config, c.content); manifest != want {
				t.Errorf("manifest\ngot  %s\nwant %s", manifest, want)
			}
		})
	}
}

// An image of files has one layer, and the program's path in its configuration.
func TestImageOfFiles(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"app.wasm": string(module), "lib/data": "data"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var digests []digest.Digest
	for range 2 {
		image, err := Build(Options{Path: dir, Env: []string{"A=b"}, User: "7", WorkingDir: "/lib"})
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, image.Digest)
		body, err := image.blobs[0].open()
		if err != nil {
			t.Fatal(err)
		}
		config, err := io.ReadAll(body)
		if err != nil || !strings.HasPrefix(string(config), `{"architecture":"wasm","os":"wasi","config":{"User":"7","Env":["A=b"],"Entrypoint":["/app.wasm"],"WorkingDir":"/lib"},`) {
			t.Errorf("configuration %s, %v", config, err)
		}
		if err := image.Close(); err != nil {
			t.Error(err)
		}
	}
	if digests[0] != digests[1] {
		t.Errorf("the same folder is %s, then %s", digests[0], digests[1])
	}
	if err := os.Symlink("/dev/null", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "second.wasm"), module, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Build(Options{Path: dir}); err == nil || !strings.Contains(err.Error(), "has 2 files *.wasm at its top") {
		t.Errorf("two modules: %v", err)
	}
}
