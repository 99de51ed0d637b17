// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/wazelet/wazelet/imageservice"
)

// pushed is an image in a registry that runs until the test ends or stops it.
func pushed(t *testing.T, image v1.Image) (ref string, stop func()) {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	ref = strings.TrimPrefix(server.URL, "http://") + "/team/guest:v1"
	tag, err := name.NewTag(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, image); err != nil {
		t.Fatal(err)
	}
	return ref, server.Close
}

// guest is the module of small commands.
func guest(t *testing.T) []byte {
	t.Helper()
	content, err := os.ReadFile(guestModule)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// ofFiles is an image FROM scratch with this program at /app.
func ofFiles(t *testing.T, content []byte, config v1.Config) v1.Image {
	t.Helper()
	var layer bytes.Buffer
	archive := tar.NewWriter(&layer)
	for _, entry := range []struct {
		header  tar.Header
		content []byte
	}{
		{tar.Header{Typeflag: tar.TypeReg, Name: "app", Mode: 0o755, Size: int64(len(content))}, content},
		{tar.Header{Typeflag: tar.TypeDir, Name: "work/", Mode: 0o777}, nil},
	} {
		if err := archive.WriteHeader(&entry.header); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(entry.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(layer.Bytes())), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image, files)
	if err != nil {
		t.Fatal(err)
	}
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{OS: "wasip1", Architecture: "wasm", RootFS: must(image.ConfigFile()).RootFS, Config: config})
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// ofModule is an artifact that is one module.
func ofModule(t *testing.T, content []byte) v1.Image {
	t.Helper()
	image, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer:       static.NewLayer(content, "application/wasm"),
		Annotations: map[string]string{"org.opencontainers.image.title": "guest.wasm"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return mutate.ConfigMediaType(mutate.MediaType(image, types.OCIManifestSchema1), "application/vnd.wasm.config.v0+json")
}

func must(file *v1.ConfigFile, err error) *v1.ConfigFile {
	if err != nil {
		panic(err)
	}
	return file
}

func TestAnImageRunsAsItsConfigurationSays(t *testing.T) {
	each(t, func(t *testing.T, u user) {
		ref, stop := pushed(t, ofFiles(t, guest(t), v1.Config{
			Entrypoint: []string{"/app", "args"}, Cmd: []string{"env,LEVEL"},
			Env: []string{"LEVEL=info"}, WorkingDir: "/work",
		}))
		got := u.run(t, "", ref)
		if got.code != 0 || got.stdout != "args: /app args env,LEVEL\nenv,LEVEL: info\n" || got.stderr != "wazelet: pulling "+ref+"\n" {
			t.Fatalf("%+v", got)
		}
		stop() // from here on it is in the store
		got = u.run(t, "", "--env", "LEVEL=debug", ref, "env,LEVEL", "cwd", "write,here,x", "ls,/")
		want := "args: /app args env,LEVEL cwd write,here,x ls,/\nenv,LEVEL: debug\ncwd: /work\nwrite,here,x: ok\nls,/: app dev etc proc work\n"
		if got.code != 0 || got.stdout != want || got.stderr != "" {
			t.Errorf("%+v, want %q", got, want)
		}
		// What a run writes is gone with it.
		if got = u.run(t, "", ref, "ls,/work"); !strings.HasSuffix(got.stdout, "ls,/work: \n") {
			t.Errorf("%+v", got)
		}
		if roots := rootsIn(t, u); len(roots) > 0 {
			t.Errorf("roots are left: %v", roots)
		}
	})
}

func TestAnArtifactRuns(t *testing.T) {
	each(t, func(t *testing.T, u user) {
		ref, _ := pushed(t, ofModule(t, guest(t)))
		if got := u.run(t, "", ref, "args", "ls,/"); got.code != 0 || got.stdout != "args: /guest.wasm args ls,/\nls,/: dev etc guest.wasm proc\n" {
			t.Errorf("%+v", got)
		}
	})
}

func TestAnImageThatCannotRunSaysWhy(t *testing.T) {
	u := newUser(t, 0)
	absent, stop := pushed(t, ofFiles(t, guest(t), v1.Config{Entrypoint: []string{"/other"}}))
	nothing, _ := pushed(t, ofFiles(t, guest(t), v1.Config{}))
	for _, test := range []struct {
		ref    string
		code   int
		stderr string
	}{
		{absent, 127, "wazelet: pulling " + absent + "\nwazelet: /other: "},
		{nothing, 126, "wazelet: pulling " + nothing + "\nwazelet: image "},
		{strings.Replace(nothing, "guest:v1", "none:v1", 1), 127, "wazelet: pulling " + strings.Replace(nothing, "guest:v1", "none:v1", 1) + "\nwazelet: image "},
	} {
		if got := u.run(t, "", test.ref); got.code != test.code || got.stdout != "" || !strings.HasPrefix(got.stderr, test.stderr) {
			t.Errorf("%+v, want %+v", got, test)
		}
	}
	stop()
	if got := u.run(t, "", strings.Replace(absent, "guest:v1", "gone:v1", 1)); got.code != 125 {
		t.Errorf("without a registry: %+v", got)
	}
	if roots := rootsIn(t, u); len(roots) > 0 {
		t.Errorf("roots are left: %v", roots)
	}
}

// TestTheRootOfAKilledRunIsRemovedByTheNext leaves a root behind on purpose.
func TestTheRootOfAKilledRunIsRemovedByTheNext(t *testing.T) {
	each(t, func(t *testing.T, u user) {
		ref, _ := pushed(t, ofFiles(t, guest(t), v1.Config{Entrypoint: []string{"/app"}}))
		r := u.begin(t, "args: ", ref, "args", "sleep,1h")
		if got := len(rootsIn(t, u)); got != 1 {
			t.Errorf("%d roots while one run runs", got)
		}
		if err := r.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r.stdout); err != nil {
			t.Fatal(err)
		}
		r.end(t)
		if got := u.run(t, "", ref, "exit,3"); got.code != 3 {
			t.Errorf("%+v", got)
		}
		if roots := rootsIn(t, u); len(roots) > 0 {
			t.Errorf("roots are left: %v", roots)
		}
	})
}

// rootsIn opens a user's store and lists the containers' roots in it.
func rootsIn(t *testing.T, u user) []string {
	t.Helper()
	images, err := imageservice.New(t.Context(), imageservice.Options{Root: u.store()})
	if err != nil {
		t.Fatal(err)
	}
	defer images.Close()
	roots, err := images.Roots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return roots
}
