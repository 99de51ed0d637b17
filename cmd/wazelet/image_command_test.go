// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/wazelet/wazelet/cri/imageclient"
	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/integration/guests/tiny"
)

// hub is a registry that asks for a password, and what is needed to push there.
func hub(t *testing.T) (host string) {
	t.Helper()
	backend := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, password, _ := r.BasicAuth(); name != "somebody" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="hub"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// login stores the password as `docker login` does.
func (u user) login(t *testing.T, host string) {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"auths": map[string]any{host: map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte("somebody:secret"))}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(u.home, ".docker"), 0o755); err != nil {
		t.Fatal(err)
	}
	u.write(t, ".docker/config.json", raw)
}

// image runs `wazelet image` to its end.
func (u user) image(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := u.command(ctx, append([]string{"image", "--config", u.config, "--own"}, args...)...)
	if args[0] == "push" {
		cmd = u.command(ctx, append([]string{"image", "--config", u.config}, args...)...)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// TestImageCommands pushes a module in every format, fetches it, looks at it,
// runs it and removes it.
func TestImageCommands(t *testing.T) {
	host := hub(t)
	each(t, func(t *testing.T, u user) {
		u.login(t, host)
		module := u.write(t, "hello.wasm", tiny.Hello("hello\n"))
		for _, format := range []string{"wasm", "files", "wasm-layer", "wasm-to-oci", "artifact"} {
			ref := host + "/" + strings.ToLower(filepath.Base(u.home)) + "/" + format + ":v1"
			pushed := u.image(t, "push", "--format", format, module, ref)
			name, _, _ := strings.Cut(ref, ":v1")
			if pushed.code != 0 || !regexp.MustCompile(`^`+regexp.QuoteMeta(name)+`@sha256:[0-9a-f]{64}\n$`).MatchString(pushed.stdout) {
				t.Fatalf("push as %s: %+v", format, pushed)
			}
			if again := u.image(t, "push", "--format", format, module, ref); again.stdout != pushed.stdout {
				t.Errorf("pushed as %s again: %q, then %q", format, pushed.stdout, again.stdout)
			}
			pulled := u.image(t, "pull", ref)
			id := strings.TrimSpace(pulled.stdout)
			if pulled.code != 0 || !strings.HasPrefix(id, "sha256:") {
				t.Fatalf("pull of %s: %+v", format, pulled)
			}
			if list := u.image(t, "ls"); list.code != 0 || !regexp.MustCompile(regexp.QuoteMeta(ref)+` +`+id[7:19]+` +[0-9.]+ k?B\n`).MatchString(list.stdout) {
				t.Errorf("list with %s: %+v", format, list)
			}
			shown := u.image(t, "inspect", ref)
			for _, want := range []string{"Format +" + format, "Program +/hello.wasm", "Kind +command", `Imports +wasi_snapshot_preview1\.fd_write \(function\)`, "Exports +_start", "Memory +1 pages", "Runs +yes"} {
				if !regexp.MustCompile(`(?m)^`+want).MatchString(shown.stdout) || shown.code != 0 {
					t.Errorf("%s lacks %q: %+v", format, want, shown)
				}
			}
			if ran := u.run(t, "", ref); ran.code != 0 || ran.stdout != "hello\n" {
				t.Errorf("run of %s: %+v", format, ran)
			}
			if removed := u.image(t, "rm", ref); removed.code != 0 {
				t.Errorf("rm of %s: %+v", format, removed)
			}
			if left := listing(t, u.store("modules")); left != "" {
				t.Errorf("compiled modules without an image: %s", left)
			}
		}
		if got := u.image(t, "rm", "absent"); got.code != exitFailed || !strings.Contains(got.stderr, "not found on this node") {
			t.Errorf("rm of what is absent: %+v", got)
		}
		if got := u.image(t, "ls", "-o", "json"); got.code != 0 || got.stdout != "[]\n" {
			t.Errorf("after all: %+v", got)
		}
	})
}

// TestImageInspectSaysWhy shows a module that would not run, as JSON too.
func TestImageInspectSaysWhy(t *testing.T) {
	host := hub(t)
	u := newUser(t, 0)
	u.login(t, host)
	dir := filepath.Join(u.home, "app")
	if err := os.MkdirAll(filepath.Join(dir, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	u.write(t, "app/app.wasm", tiny.Export("greet", "hi\n"))
	u.write(t, "app/lib/data", []byte("data"))
	ref := host + "/why:v1"
	if got := u.image(t, "push", "--entrypoint", "/app.wasm#absent", "-e", "A=\x1b[31mb", dir, ref); got.code != 0 {
		t.Fatalf("push: %+v", got)
	}
	if got := u.image(t, "pull", ref); got.code != 0 {
		t.Fatalf("pull: %+v", got)
	}
	shown := u.image(t, "inspect", ref)
	if !strings.Contains(shown.stdout, `no: module has no function "absent" to run; it exports greet`) || !strings.Contains(shown.stdout, "/app.wasm, function absent") || strings.Contains(shown.stdout, "\x1b") {
		t.Errorf("inspect: %+v", shown)
	}
	var image imageclient.Image
	if got := u.image(t, "inspect", "-o", "json", ref); json.Unmarshal([]byte(got.stdout), &image) != nil || image.Program == nil || image.Program.Export != "absent" || image.Format != "files" {
		t.Errorf("as JSON: %+v", got)
	}
	if got := u.run(t, "", ref); got.code != 126 {
		t.Errorf("run: %+v", got)
	}
}

func TestImagePushRefusals(t *testing.T) {
	u := newUser(t, someUser)
	module, text, component := u.write(t, "a.wasm", tiny.Hello("")), u.write(t, "text", []byte("text")), u.write(t, "c.wasm", append(tiny.Component(), 99, 0))
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{text, "localhost:1/a"}, text + " is not a WebAssembly module"},
		{[]string{component, "localhost:1/a"}, component + " is a WebAssembly component that cannot be read: section 99: "},
		{[]string{u.write(t, "f.wasm", []byte("\x00asm\x07\x00\x00\x00")), "localhost:1/a"}, "f.wasm is a WebAssembly binary of an unknown version"},
		{[]string{"--format", "zip", module, "localhost:1/a"}, `there is no format "zip"`},
		{[]string{"--entrypoint", "/a", module, "localhost:1/a"}, "the format wasm has no place for an entrypoint"},
		{[]string{"--format", "wasm", u.home, "localhost:1/a"}, "is a folder, which only the format files can hold"},
		{[]string{u.home, "localhost:1/a"}, "has 3 files *.wasm at its top: say by an entrypoint"},
		{[]string{module, "localhost:1/a@sha256:" + strings.Repeat("a", 64)}, "it is named by a digest"},
		{[]string{module, "UPPER"}, "image UPPER: "},
		{[]string{module, "localhost:1/a"}, "registry localhost:1 cannot be reached: connection refused"},
		{[]string{"absent.wasm", "localhost:1/a"}, "no such file"},
	} {
		if got := u.image(t, append([]string{"push"}, c.args...)...); got.code != exitFailed || !strings.Contains(got.stderr, c.want) || got.stdout != "" {
			t.Errorf("%q: %+v, want %q", c.args, got, c.want)
		}
	}
}

// TestImageInspectComponent tells what a component wants and offers, although it would not run.
func TestImageInspectComponent(t *testing.T) {
	host := hub(t)
	u := newUser(t, 0)
	u.login(t, host)
	module := u.write(t, "app.wasm", tiny.Component())
	for _, format := range []string{"wasm", "wasm-layer", "artifact", "files"} {
		ref := host + "/component/" + format + ":v1"
		if got := u.image(t, "push", "--format", format, module, ref); got.code != 0 {
			t.Fatalf("push as %s: %+v", format, got)
		}
		if got := u.image(t, "pull", ref); got.code != 0 {
			t.Fatalf("pull: %+v", got)
		}
		shown := u.image(t, "inspect", ref)
		for _, want := range []string{
			"Program +/app.wasm", "Module +sha256:", "Kind +component", "World +wasi:cli/command@0.2.0", `Imports +wasi:cli/environment@0.2.0 \(instance\)`,
			"Exports +wasi:cli/run@0.2.0", "Runs +no: module is a WebAssembly component: only core modules run here so far",
		} {
			if !regexp.MustCompile(`(?m)^` + want).MatchString(shown.stdout) {
				t.Errorf("%s lacks %q: %+v", format, want, shown)
			}
		}
		if strings.Contains(shown.stdout, "Memory") {
			t.Errorf("a component has no memory of its own: %s", shown.stdout)
		}
	}
	var image imageclient.Image
	if got := u.image(t, "inspect", "-o", "json", host+"/component/wasm:v1"); json.Unmarshal([]byte(got.stdout), &image) != nil || image.Platform != "wasip2/wasm" || image.Program.Module.World != "wasi:cli/command@0.2.0" {
		t.Errorf("as JSON: %+v", got)
	}
}

// TestImageCheck finds a blob that has rotten, and mends the store.
func TestImageCheck(t *testing.T) {
	host := hub(t)
	u := newUser(t, 0)
	u.login(t, host)
	ref := host + "/rotten:v1"
	u.image(t, "push", u.write(t, "hello.wasm", tiny.Hello("hello\n")), ref)
	if got := u.image(t, "pull", ref); got.code != 0 {
		t.Fatalf("pull: %+v", got)
	}
	if got := u.image(t, "check"); got.code != 0 || got.stdout != "1 images and 1 compiled modules are as they were stored\n" {
		t.Fatalf("check of a sound store: %+v", got)
	}
	blobs, err := filepath.Glob(u.store("content", "blobs", "sha256", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, blob := range blobs {
		content, err := os.ReadFile(blob)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.HasPrefix(content, []byte("\x00asm")) {
			content[len(content)-1] ^= 1
			if err := os.Chmod(blob, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(blob, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := u.image(t, "check"); got.code != exitFailed || !strings.Contains(got.stdout, "its bytes on disk have another digest") || !strings.Contains(got.stdout, ref) {
		t.Errorf("check: %+v", got)
	}
	if got := u.image(t, "check", "--repair"); got.code != 0 || !strings.HasPrefix(got.stdout, "repaired: image sha256:") || !strings.HasSuffix(got.stdout, "looked at, 1 findings\n") {
		t.Errorf("repair: %+v", got)
	}
	if got := u.run(t, "", ref); got.code == 0 {
		t.Errorf("run without credentials ran: %+v", got)
	}
	if got := u.image(t, "pull", ref); got.code != 0 {
		t.Errorf("pull after the repair: %+v", got)
	}
	if got := u.run(t, "", ref); got.stdout != "hello\n" {
		t.Errorf("run after the repair: %+v", got)
	}
}

// TestImageCheckOfModules finds compiled modules that are not what the compiler wrote, or nobody's, and mends the cache.
func TestImageCheckOfModules(t *testing.T) {
	host := hub(t)
	u := newUser(t, 0)
	u.login(t, host)
	ref := host + "/cached:v1"
	u.image(t, "push", u.write(t, "hello.wasm", tiny.Hello("hello\n")), ref)
	if got := u.image(t, "pull", ref); got.code != 0 {
		t.Fatalf("pull: %+v", got)
	}
	entries, err := filepath.Glob(u.store("modules", "*", "module.wasm"))
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	if err := errors.Join(os.Chmod(entries[0], 0o600), os.WriteFile(entries[0], tiny.Hello("planted\n"), 0o600), os.Mkdir(u.store("modules", "foreign"), 0o755)); err != nil {
		t.Fatal(err)
	}
	if got := u.image(t, "check"); got.code != exitFailed || !strings.Contains(got.stdout, "its files are not those that the compiler wrote") || !strings.Contains(got.stdout, "damaged: compiled module foreign: ") {
		t.Errorf("check: %+v", got)
	}
	var report imageservice.Report
	if got := u.image(t, "check", "--repair", "-o", "json"); got.code != 0 || json.Unmarshal([]byte(got.stdout), &report) != nil || len(report.Findings) != 2 || report.Images != 1 {
		t.Errorf("repair: %+v", got)
	}
	if got := u.image(t, "check"); got.code != 0 || got.stdout != "1 images and 1 compiled modules are as they were stored\n" {
		t.Errorf("check after the repair, which compiles anew: %+v", got)
	}
	if got := u.run(t, "", ref); got.stdout != "hello\n" {
		t.Errorf("run after the repair: %+v", got)
	}
}
