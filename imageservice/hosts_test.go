// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/containerd/errdefs"
)

// hostsDir is a directory of hosts.toml files.
type hostsDir string

// write configures a registry and returns its directory.
func (d hostsDir) write(t *testing.T, host, toml string) string {
	t.Helper()
	if i := strings.LastIndex(host, ":"); i > 0 {
		host = host[:i] + "_" + host[i+1:] + "_"
	}
	dir := filepath.Join(string(d), host)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "hosts.toml"), []byte(toml), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// withHosts returns a service that reads the directory.
func (d hostsDir) service(t *testing.T) *Service {
	return newService(t, func(o *Options) { o.HostsDir = string(d) })
}

func TestRegistryOverTLS(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", helloImage(t, "hi"))
	server := httptest.NewUnstartedServer(h.backend)
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	var strangers atomic.Int32
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 0 {
			strangers.Add(1)
			w.WriteHeader(http.StatusForbidden)
			return
		}
		h.backend.ServeHTTP(w, r)
	})
	server.StartTLS()
	t.Cleanup(server.Close)

	hosts := hostsDir(t.TempDir())
	dir := hosts.write(t, "private.example:5000", "server = \""+server.URL+"\"\nca = \"ca.pem\"\nclient = [[\"client.pem\", \"client.key\"]]\n")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string][]byte{
		"ca.pem": certificate, "client.pem": certificate, "client.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := hosts.service(t)
	image := mustPull(t, s, "private.example:5000/app:1")
	if want := "private.example:5000/app:1"; len(image.Tags) != 1 || image.Tags[0] != want {
		t.Errorf("tags = %v", image.Tags)
	}
	if strangers.Load() != 0 {
		t.Error("requests without the client certificate")
	}

	hosts.write(t, "private.example:5000", "server = \""+server.URL+"\"\nca = \"ca.pem\"\n")
	if _, err := s.Pull(t.Context(), "private.example:5000/app:1", nil); !errdefs.IsPermissionDenied(err) {
		t.Errorf("without a client certificate: %v", err)
	}
	hosts.write(t, "private.example:5000", "server = \""+server.URL+"\"\nca = \"absent.pem\"\n")
	_, err = s.Pull(t.Context(), "private.example:5000/app:1", nil)
	if !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), "configuration of registry private.example:5000 in "+string(hosts)) {
		t.Errorf("CA that is not there: %v", err)
	}
}

// A mirror is asked first, with the registry's name; what it lacks comes from the registry.
func TestMirror(t *testing.T) {
	mirror, origin := newHub(t), newHub(t)
	mirror.push(t, "mirrored:1", helloImage(t, "from the mirror"))
	origin.push(t, "mirrored:1", helloImage(t, "from the origin"))
	origin.push(t, "other:1", helloImage(t, "other"))
	var named atomic.Int32
	mirror.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("ns") == "docker.io" {
			named.Add(1)
		}
		return false
	})
	hosts := hostsDir(t.TempDir())
	hosts.write(t, "docker.io", "server = \"http://"+origin.host+"\"\n[host.\"http://"+mirror.host+"\"]\ncapabilities = [\"pull\", \"resolve\"]\n")
	s := hosts.service(t)
	// The names on Docker Hub without a user are those under library/.
	mirror.push(t, "library/app:1", helloImage(t, "mirror"))
	origin.push(t, "library/app:1", helloImage(t, "origin"))
	origin.push(t, "library/late:1", helloImage(t, "origin only"))

	before := origin.gets("")
	image := mustPull(t, s, "app:1")
	if named.Load() == 0 || origin.gets("") != before {
		t.Errorf("%d requests to the mirror, %d to the origin", named.Load(), origin.gets("")-before)
	}
	if len(image.Tags) != 1 || image.Tags[0] != "docker.io/library/app:1" {
		t.Errorf("tags = %v", image.Tags)
	}
	mustPull(t, s, "late:1")
	if origin.gets("/late/") == 0 {
		t.Error("the origin was not asked for what the mirror lacks")
	}
	mirror.server.Close()
	mustPull(t, s, "docker.io/library/app:1")
}

// Credentials go to the registry and its mirrors, and only if they are for them.
func TestCredentialsOfAMirror(t *testing.T) {
	mirror := newHub(t)
	mirror.push(t, "app:1", helloImage(t, "hi"))
	requireBasic(mirror)
	hosts := hostsDir(t.TempDir())
	hosts.write(t, "private.example", "server = \"http://"+mirror.host+"\"\n")
	s := hosts.service(t)
	auth := &Auth{Username: "user", Password: "pa55word"}
	for _, server := range []string{"", "private.example", "https://private.example/v2/", mirror.host} {
		auth.ServerAddress = server
		if _, err := s.Pull(t.Context(), "private.example/app:1", auth); err != nil {
			t.Errorf("credentials for %q: %v", server, err)
		}
	}
	auth.ServerAddress = "elsewhere.example"
	if _, err := s.Pull(t.Context(), "private.example/app:1", auth); !errdefs.IsUnauthorized(err) {
		t.Errorf("credentials of another registry: %v", err)
	}
}
