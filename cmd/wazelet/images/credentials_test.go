// SPDX-License-Identifier: Apache-2.0

package images

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/imageservice"
)

func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("docker/config.json", `{"auths":{"r.example":{"auth":"YTpi"},"https://index.docker.io/v1/":{"username":"hub","password":"p"},"https://old.example":{"identitytoken":"t"}},
		"credHelpers":{"helped.example":"test","none.example":"test","broken.example":"test"}}`, 0o600)
	write("run/containers/auth.json", `{"auths":{"r.example":{"auth":"bm8="},"pod.example/team":{"auth":"dGVhbQ=="},"pod.example":{"auth":"cG9k"}}}`, 0o600)
	write("bin/docker-credential-test", `#!/bin/sh
read server
case $server in
helped.example) echo '{"ServerURL":"helped.example","Username":"<token>","Secret":"s"}';;
none.example) echo "credentials not found in native keychain"; exit 1;;
*) echo "the keychain is locked" >&2; exit 1;;
esac
`, 0o755)
	t.Setenv("DOCKER_CONFIG", filepath.Join(dir, "docker"))
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(dir, "run"))
	t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(dir, "absent.json"))
	t.Setenv("PATH", filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	for ref, want := range map[string]*imageservice.Auth{
		"r.example/a:1":          {Auth: "YTpi"}, // Docker's file goes first
		"nginx":                  {Username: "hub", Password: "p"},
		"old.example/a":          {IdentityToken: "t"},
		"helped.example/a":       {IdentityToken: "s"},
		"none.example/a":         nil,
		"pod.example/team/app:1": {Auth: "dGVhbQ=="},
		"pod.example/other":      {Auth: "cG9k"},
		"unknown.example/a":      nil,
		"NOT A REFERENCE":        nil,
	} {
		if got, err := Credentials(t.Context(), ref); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", ref, got, err, want)
		}
	}
	if _, err := Credentials(t.Context(), "broken.example/a"); err == nil || !strings.Contains(err.Error(), "the keychain is locked") {
		t.Errorf("a helper that fails: %v", err)
	}
	write("docker/config.json", `{`, 0o600)
	if _, err := Credentials(t.Context(), "r.example/a"); err == nil || !strings.Contains(err.Error(), "config.json") {
		t.Errorf("a file that is none: %v", err)
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 1536000: "1.5 MB", 1 << 63: "9.2 EB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}
