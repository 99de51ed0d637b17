// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/image"
)

// Media types of docs/images.md that the cases need.
const (
	typeEmpty     = "application/vnd.oci.empty.v1+json"
	typeWasmLayer = "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm"
	typeLegacy    = "application/vnd.wasm.content.layer.v1+wasm"
)

// maker makes an image; an error ends the test.
type maker struct{ t *testing.T }

func (m maker) ok(img v1.Image, err error) v1.Image {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
	return img
}

// raw is an artifact of these layers.
func (m maker) raw(configType types.MediaType, config []byte, layers ...image.Blob) v1.Image {
	m.t.Helper()
	return m.ok(image.Raw(image.Blob{MediaType: configType, Content: config}, layers...))
}

// exact is an artifact with exactly this manifest. CONFIG, SUM and SIZE stand for
// what the configuration and the module give.
func (m maker) exact(manifest string, config, module []byte) v1.Image {
	m.t.Helper()
	for word, with := range map[string]string{
		"CONFIGSIZE": fmt.Sprint(len(config)), "CONFIG": sum(m.t, config), "SUM": sum(m.t, module), "SIZE": fmt.Sprint(len(module)),
	} {
		manifest = replace(manifest, "{"+word+"}", with)
	}
	return m.ok(image.Exact(types.OCIManifestSchema1, []byte(manifest), config, image.Blob{MediaType: "application/wasm", Content: module}))
}

func sum(t *testing.T, content []byte) string {
	t.Helper()
	hash, _, err := v1.SHA256(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return hash.String()
}

// configured is a container image's configuration for these layers, unpacked.
func (m maker) configured(platform string, config v1.Config, layers ...[]byte) []byte {
	m.t.Helper()
	p, err := v1.ParsePlatform(platform)
	file := v1.ConfigFile{OS: p.OS, Architecture: p.Architecture, Config: config, RootFS: v1.RootFS{Type: "layers"}}
	for _, layer := range layers {
		hash, _, hashErr := v1.SHA256(bytes.NewReader(layer))
		err = errors.Join(err, hashErr)
		file.RootFS.DiffIDs = append(file.RootFS.DiffIDs, hash)
	}
	raw, marshalErr := json.Marshal(file)
	if err := errors.Join(err, marshalErr); err != nil {
		m.t.Fatal(err)
	}
	return raw
}

// packed is an image FROM scratch of one layer that compress made.
func (m maker) packed(platform string, mediaType types.MediaType, compress func([]byte) ([]byte, error), entrypoint string, module []byte) v1.Image {
	m.t.Helper()
	archive, err := image.Archive(image.File{Path: "/app.wasm", Content: module})
	if err != nil {
		m.t.Fatal(err)
	}
	blob, err := compress(archive)
	if err != nil {
		m.t.Fatal(err)
	}
	return m.raw(types.OCIConfigJSON, m.configured(platform, v1.Config{Entrypoint: []string{entrypoint}}, archive), image.Blob{MediaType: mediaType, Content: blob})
}

func plainTar(archive []byte) ([]byte, error) { return archive, nil }

func gzipped(archive []byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(archive)
	err = errors.Join(err, w.Close())
	return b.Bytes(), err
}

func zstandard(archive []byte) ([]byte, error) {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		return nil, err
	}
	return w.EncodeAll(archive, nil), w.Close()
}

func docker(img v1.Image) v1.Image {
	return mutate.MediaType(mutate.ConfigMediaType(img, types.DockerConfigJSON), types.DockerManifestSchema2)
}

// wkgManifest is what wkg writes of a module and of a component.
const wkgManifest = `{"config":{"digest":"{CONFIG}","mediaType":"application/vnd.wasm.config.v0+json","size":{CONFIGSIZE}},` +
	`"layers":[{"digest":"{SUM}","mediaType":"application/wasm","size":{SIZE}}],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}`

// wkgComponent is the configuration that wkg writes of the component of package
// tiny.
func wkgComponent(t *testing.T, component []byte) []byte {
	return []byte(`{"created":"2025-03-04T05:06:07.891234567Z","author":null,"architecture":"wasm","os":"wasip2","layerDigests":["` + sum(t, component) +
		`"],"component":{"exports":["wasi:cli/run@0.2.0"],"imports":["wasi:cli/environment@0.2.0"],"target":null}}`)
}

// formats are the images that run; each prints its name.
func formats(t *testing.T) map[string]remote.Taggable {
	m := maker{t}
	hello := func(name string) []byte { return tiny.Hello(name + "\n") }
	wasm := func(mediaType types.MediaType, module []byte) image.Blob {
		return image.Blob{MediaType: mediaType, Content: module}
	}
	layer := func(name, entrypoint string, module []byte) v1.Image {
		config := v1.Config{}
		if entrypoint != "" {
			config.Entrypoint = []string{entrypoint}
		}
		return m.raw(types.OCIConfigJSON, m.configured("wasip1/wasm", config, module), wasm(typeWasmLayer, module))
	}
	wkg := hello("wkg")
	images := map[string]remote.Taggable{
		"wkg": m.exact(wkgManifest, []byte(`{"created":"2025-03-04T05:06:07.891234567Z","author":null,"architecture":"wasm","os":"wasip1","layerDigests":["`+sum(t, wkg)+`"],"component":null}`), wkg),
		"oras": m.exact(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.unknown.artifact.v1",`+
			`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{CONFIG}","size":2,"data":"e30="},`+
			`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{SUM}","size":{SIZE},"annotations":{"org.opencontainers.image.title":"hello.wasm"}}],`+
			`"annotations":{"org.opencontainers.image.created":"2025-03-04T05:06:07Z"}}`, []byte("{}"), hello("oras")),
		"wasm-to-oci": m.exact(`{"schemaVersion":2,"config":{"mediaType":"application/vnd.wasm.config.v1+json","digest":"{CONFIG}","size":2},`+
			`"layers":[{"mediaType":"application/vnd.wasm.content.layer.v1+wasm","digest":"{SUM}","size":{SIZE},"annotations":{"org.opencontainers.image.title":"hello.wasm"}}]}`,
			[]byte("{}"), hello("wasm-to-oci")),
		"oras-typed": m.exact(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.unknown.artifact.v1",`+
			`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{CONFIG}","size":2,"data":"e30="},`+
			`"layers":[{"mediaType":"application/wasm","digest":"{SUM}","size":{SIZE},"annotations":{"org.opencontainers.image.title":"hello.wasm"}}],`+
			`"annotations":{"org.opencontainers.image.created":"2025-03-04T05:06:07Z"}}`, []byte("{}"), hello("oras-typed")),
		"oras-before-1": m.exact(`{"schemaVersion":2,"config":{"mediaType":"application/vnd.unknown.config.v1+json","digest":"{CONFIG}","size":2},`+
			`"layers":[{"mediaType":"application/vnd.wasm.content.layer.v1+wasm","digest":"{SUM}","size":{SIZE},"annotations":{"org.opencontainers.image.title":"hello.wasm"}}]}`,
			[]byte("{}"), hello("oras-before-1")),
		"typed-artifact": m.raw("application/vnd.acme.config+json", []byte(`"anything"`), wasm("application/wasm", hello("typed-artifact")), wasm("text/markdown", []byte("# read me"))),
		"wasm-layer":     layer("wasm-layer", "/bin/hello.wasm", hello("wasm-layer")),
		"wasm-layer-#":   layer("wasm-layer-#", "hello.wasm#greet", tiny.Export("greet", "wasm-layer-#\n")),
		"wasm-layer-0":   layer("wasm-layer-0", "", hello("wasm-layer-0")),
		"wasip1-zstd":    m.packed("wasip1/wasm", types.OCILayerZStd, zstandard, "/app.wasm", hello("wasip1-zstd")),
		"wasm32-tar":     m.packed("wasi/wasm32", types.OCIUncompressedLayer, plainTar, "/app.wasm", hello("wasm32-tar")),
		"linux-gzip":     m.packed("linux/wasm", types.OCILayer, gzipped, "/app.wasm", hello("linux-gzip")),
		"host-docker":    docker(m.ok(image.Files(image.Config{Platform: "linux/" + goruntime.GOARCH, Entrypoint: []string{"app.wasm"}}, image.File{Path: "/app.wasm", Content: hello("host-docker")}))),
		"files-#":        m.packed("wasi/wasm", types.OCILayer, gzipped, "app.wasm#greet", tiny.Export("greet", "files-#\n")),
	}
	for name, platforms := range map[string][2]string{
		"index-wasip1": {"wasip1", "wasm"}, "index-wasm32": {"wasi", "wasm32"}, "index-crun": {"linux", goruntime.GOARCH},
	} {
		images[name] = m.index(name, v1.Platform{OS: platforms[0], Architecture: platforms[1]}, name == "index-crun", hello(name))
	}
	return images
}

// index offers a native image, an attestation and the module, under its platform
// or by an annotation as buildah writes it for crun.
func (m maker) index(name string, platform v1.Platform, annotated bool, module []byte) v1.ImageIndex {
	native := m.ok(image.Files(image.Config{Platform: "linux/" + goruntime.GOARCH, Entrypoint: []string{"/a"}}, image.File{Path: "/a", Content: []byte("\x7fELF" + name), Mode: 0o755}))
	wasm := m.ok(image.Files(image.Config{Entrypoint: []string{"/app.wasm"}}, image.File{Path: "/app.wasm", Content: module}))
	attestation := m.raw(types.OCIConfigJSON, []byte("{}"), image.Blob{MediaType: "application/vnd.in-toto+json", Content: []byte("{}")})
	index, err := image.Index(native)
	if err != nil {
		m.t.Fatal(err)
	}
	entry := v1.Descriptor{Platform: &platform}
	if annotated {
		entry.Annotations = map[string]string{"module.wasm.image/variant": "compat"}
	}
	return mutate.AppendManifests(index,
		mutate.IndexAddendum{Add: attestation, Descriptor: v1.Descriptor{
			Platform:    &v1.Platform{OS: "unknown", Architecture: "unknown"},
			Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest"},
		}},
		mutate.IndexAddendum{Add: wasm, Descriptor: entry})
}

// refusals are the images that do not run, each with what its pod's event says.
func refusals(t *testing.T) map[string]struct {
	image    v1.Image
	sentence string
} {
	m := maker{t}
	module := func(mediaType types.MediaType, n byte) image.Blob {
		return image.Blob{MediaType: mediaType, Content: append(tiny.Hello("no\n"), 0, 2, 1, n)} // with a custom section
	}
	text := func(mediaType types.MediaType) image.Blob {
		return image.Blob{MediaType: mediaType, Content: []byte("{}")}
	}
	two, err := image.Module(module("", 'a').Content, module("", 'b').Content)
	return map[string]struct {
		image    v1.Image
		sentence string
	}{
		"two-modules": {m.ok(two, err), "it has 2 layers; a Wasm artifact has exactly one, its module"},
		"two-layers":  {m.raw(types.OCIConfigJSON, []byte("{}"), module(typeWasmLayer, 'a'), module(typeWasmLayer, 'b')), "has exactly one, its module"},
		"two-files":   {m.raw(typeEmpty, []byte("{}"), module("application/wasm", 'a'), module("application/wasm", 'b')), "nothing says which of them to run"},
		"spin":        {m.raw(types.OCIConfigJSON, []byte("{}"), module(typeLegacy, 'a'), text("application/vnd.fermyon.spin.application.v1+config")), "is a Spin application, which needs the Spin runtime"},
		"istio":       {m.raw("application/vnd.module.wasm.config.v1+json", []byte("{}"), module("application/vnd.module.wasm.content.layer.v1+wasm", 'a')), "is an Istio or Envoy filter (proxy-wasm)"},
		"cosign":      {m.raw(types.OCIConfigJSON, []byte("{}"), text("application/vnd.dev.cosign.simplesigning.v1+json")), "is a signature of another image"},
		"attestation": {m.raw(types.OCIConfigJSON, []byte("{}"), text("application/vnd.in-toto+json")), "is an attestation about another image"},
		"component":   {m.exact(wkgManifest, wkgComponent(t, tiny.Component()), tiny.Component()), "module is a WebAssembly component"},
		"sbom":        {m.raw(types.OCIConfigJSON, []byte("{}"), text("application/spdx+json")), "is a bill of materials of another image"},
		"provider":    {m.raw("application/vnd.wasmcloud.provider.archive.config", []byte("{}"), text("application/vnd.wasmcloud.provider.archive.layer.v1+par")), "is a wasmCloud capability provider"},
		"actor":       {m.raw("application/vnd.wasmcloud.actor.archive.config", []byte("{}"), module("application/vnd.module.wasm.content.layer.v1+wasm", 'a')), "is a wasmCloud actor"},
		"not-wasm":    {m.raw(image.WasmConfig, []byte(`{"layerDigests":[]}`), image.Blob{MediaType: "application/wasm", Content: []byte("\x7fELF no module")}), "is not a WebAssembly binary (it begins with 7f 45 4c 46)"},
		"module-tar":  {m.raw(types.OCIConfigJSON, m.configured("wasi/wasm", v1.Config{}, tiny.Hello("no\n")), image.Blob{MediaType: types.OCIUncompressedLayer, Content: tiny.Hello("no\n")}), "it is a WebAssembly binary, not a tar archive"},
		"unknown":     {m.raw("application/vnd.acme.config+json", []byte("{}"), text("application/vnd.acme.thing")), "it is neither a container image nor a Wasm artifact"},
		"no-export":   {m.packed("wasi/wasm", types.OCILayer, gzipped, "/app.wasm#absent", tiny.Hello("no\n")), `module has no function "absent" to run`},
		"chart":       {m.raw("application/vnd.cncf.helm.config.v1+json", []byte("{}"), text("application/vnd.cncf.helm.chart.content.v1.tar+gzip")), "is a Helm chart"},
	}
}

// TestFormats runs a pod of every format that there is, from every kind of registry.
func TestFormats(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	login := s.login()
	pods := map[string]string{}
	images := formats(t)
	for i, name := range slices.Sorted(maps.Keys(images)) {
		ref := elsewhere(s.push(name, images[name]), i)
		pod := replace(name, "-#", "-export")
		pods[pod] = name
		s.pod(pod, login+"containers: [{name: main, image: '"+ref+"'}]")
	}
	for pod, name := range pods {
		equal(t, "log of "+pod, s.succeeds(pod), name+"\n")
	}
}

// TestRefusedFormats tells the pod's owner what an image is that does not run.
func TestRefusedFormats(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	login := s.login()
	cases := refusals(t)
	for i, name := range slices.Sorted(maps.Keys(cases)) {
		ref := elsewhere(s.push(name, cases[name].image), i)
		s.pod(name, login+"containers: [{name: main, image: '"+ref+"'}]")
	}
	for name, c := range cases {
		s.event(name, "Failed", c.sentence)
	}
}

// push stores an image of the space and returns its reference.
func (s *space) push(name string, img remote.Taggable) string {
	s.t.Helper()
	ref := "registry.example/" + s.name + "/" + replace(name, "#", "export") + ":1"
	if _, err := cluster.Push(s.ctx, ref, img); err != nil {
		s.t.Fatal(err)
	}
	return ref
}

// ways are the registries by whose names an image of the open registry is pulled:
// over TLS with the cluster's authority and client certificates, with a password,
// with a token, and from a mirror.
var ways = []string{lab.BasicRegistry, lab.TokenRegistry, lab.MirroredRegistry, lab.Registry}

// login makes the secret of both registries that want one and returns the lines of
// a pod's spec that use it.
func (s *space) login() string {
	s.t.Helper()
	names := []string{}
	for i, server := range []string{lab.BasicRegistry, lab.TokenRegistry} {
		names = append(names, fmt.Sprintf("{name: login%d}", i))
		s.in("create", "secret", "docker-registry", fmt.Sprintf("login%d", i), "--docker-server="+server,
			"--docker-username="+lab.RegistryUser, "--docker-password="+lab.RegistryPassword)
	}
	return "imagePullSecrets: [" + strings.Join(names, ", ") + "]\n"
}

// elsewhere returns the reference of the same image in the nth of the ways.
func elsewhere(ref string, n int) string {
	return replace(ref, lab.Registry+"/", ways[n%len(ways)]+"/")
}
