// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/faulty"
	"github.com/wazelet/wazelet/integration/lab/image"
)

// half is within the layer of a large image, whatever was sent on its connection
// before.
const half = 512 << 10

// large is an image of files whose layer does not compress and has a megabyte; it
// prints the name.
func (s *space) large(name string) string {
	s.t.Helper()
	noise := make([]byte, 1<<20)
	random := rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%-32s", name))))
	if _, err := random.Read(noise); err != nil {
		s.t.Fatal(err)
	}
	img, err := image.Files(image.Config{Entrypoint: []string{"/app.wasm"}},
		image.File{Path: "/app.wasm", Content: tiny.Hello(name + "\n")}, image.File{Path: "/noise", Content: noise})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.push(name, img)
}

// TestFaultyNetwork pulls through connections that stall, end, are reset, have
// their bytes changed or are redirected: a pod runs as soon as that is over, and
// its owner is told what it was where the pull failed.
func TestFaultyNetwork(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	cases := map[string]struct {
		way   lab.Way
		fault faulty.Fault
		event string // of a pull that failed
		runs  bool
	}{
		"truncated":       {lab.TLS, faulty.Fault{Do: faulty.Truncate, After: half, Times: 2}, "", true},
		"reset":           {lab.TLS, faulty.Fault{Do: faulty.Reset, After: half, Times: 2}, "", true},
		"changed":         {lab.TLS, faulty.Fault{Do: faulty.Corrupt, After: half, Times: 2}, "", true},
		"stalled":         {lab.TLS, faulty.Fault{Do: faulty.Stall, After: half, Times: 1}, "sent no data for 20s (image.progress_timeout)", true},
		"plain-truncated": {lab.PlainHTTP, faulty.Fault{Do: faulty.Truncate, After: half, Times: 1}, "", true},
		"plain-changed":   {lab.PlainHTTP, faulty.Fault{Do: faulty.Corrupt, After: half, Times: 1}, "sent other bytes for blob sha256:", true},
		"always-changed":  {lab.PlainHTTP, faulty.Fault{Do: faulty.Corrupt, After: half}, "sent other bytes for blob sha256:", false},
		"mute":            {lab.TLS, faulty.Fault{Do: faulty.Truncate}, "ended the connection without an answer", false},
		"redirected":      {lab.PlainHTTP, faulty.Fault{Redirect: cluster.Open()}, "", true},
		"redirected-away": {lab.PlainHTTP, faulty.Fault{Redirect: "http://127.0.0.1:9"}, "cannot be reached: connection refused", false},
	}
	proxies := map[string]*faulty.Proxy{}
	for name, c := range cases {
		proxy, err := cluster.ServeFaulty(s.ctx, name+".example", c.way, c.fault)
		if err != nil {
			t.Fatal(err)
		}
		defer proxy.Close()
		proxies[name] = proxy
		s.pod(name, "containers: [{name: main, image: '"+replace(s.large(name), lab.Registry, name+".example")+"'}]")
	}
	for name, c := range cases {
		if c.event != "" {
			s.event(name, "Failed", name+".example", c.event)
		}
		if c.runs {
			equal(t, "log of "+name, s.succeeds(name), name+"\n")
		}
		if proxies[name].Struck() == 0 {
			t.Errorf("%s: the fault did not happen", name)
		}
	}
}

// TestPushOverTLS pushes with a client certificate and a password, and with a
// token, and runs what was pushed.
func TestPushOverTLS(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	login := s.login()
	config := s.dockerConfig(lab.BasicRegistry, lab.TokenRegistry)
	module := s.file("hello.wasm", tiny.Hello("pushed over TLS\n"))
	for i, registry := range []string{lab.BasicRegistry, lab.TokenRegistry} {
		ref := fmt.Sprintf("%s/%s/pushed:%d", registry, s.name, i)
		if _, err := cluster.Command(s.ctx, "env", "DOCKER_CONFIG="+config, cluster.Binary(), "--config", cluster.Config(), "image", "push", module, ref); err != nil {
			t.Fatal(err)
		}
		pod := fmt.Sprint("pushed", i)
		equal(t, "log of "+pod, s.run(pod, login+"containers: [{name: main, image: '"+ref+"'}]"), "pushed over TLS\n")
	}
	out, err := cluster.Wazelet(s.ctx, "image", "push", module, lab.BasicRegistry+"/"+s.name+"/stranger:1")
	if err == nil {
		t.Fatalf("pushed without a password: %+v", out)
	}
	contains(t, "push without a password", out.Stderr, "requires authentication")
}
