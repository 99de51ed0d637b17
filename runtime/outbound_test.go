// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

func TestOutbound(t *testing.T) {
	const own, krustlet = "wazelet.dev/outbound-http", "alpha.wasi.krustlet.dev/allowed-domains"
	for name, c := range map[string]struct {
		own, pod  map[string]string
		noDialing bool
		want      *spec.Outbound
	}{
		"nothing said":      {},
		"none":              {pod: map[string]string{own: "none", krustlet: `["https://api.example"]`}},
		"another's":         {pod: map[string]string{own + ".side": "*"}},
		"nothing of a list": {pod: map[string]string{krustlet: "[]"}},
		"no network":        {pod: map[string]string{own: "*"}, noDialing: true},
		"origins": {
			pod: map[string]string{own: "https://API.example, http://[2001:db8::1]:8080,web.example,web.example:81,*"},
			want: &spec.Outbound{Allowed: []spec.Origin{
				{Scheme: "https", Host: "api.example", Port: 443}, {Scheme: "http", Host: "2001:db8::1", Port: 8080},
				{Host: "web.example"}, {Host: "web.example", Port: 81}, {},
			}, Concurrency: 64, Timeout: 30 * time.Second},
		},
		"by name, bounded": {
			pod: map[string]string{
				own + ".main": "a", own: "b", own + "-concurrency.main": "1024", own + "-timeout": "1h",
				"alpha.wasi.krustlet.dev/max-concurrent-requests": "3",
			},
			want: &spec.Outbound{Allowed: []spec.Origin{{Host: "a"}}, Concurrency: 1024, Timeout: time.Hour},
		},
		"Krustlet's": {
			pod: map[string]string{
				krustlet: `["https://Postman-Echo.com/path", "http://192.0.2.1:8080"]`, "alpha.wasi.krustlet.dev/max-concurrent-requests": "42",
			},
			want: &spec.Outbound{Allowed: []spec.Origin{{Host: "postman-echo.com"}, {Host: "192.0.2.1"}}, Concurrency: 42, Timeout: 30 * time.Second},
		},
		"Krustlet's, all": {
			pod:  map[string]string{krustlet: `["https://a.example", "insecure:allow-all"]`},
			want: &spec.Outbound{Allowed: []spec.Origin{{Host: "a.example"}, {}}, Concurrency: 64, Timeout: 30 * time.Second},
		},
		"ours before Krustlet's": {
			own:  map[string]string{own: "a"},
			pod:  map[string]string{krustlet: `["https://b.example"]`},
			want: &spec.Outbound{Allowed: []spec.Origin{{Host: "a"}}, Concurrency: 64, Timeout: 30 * time.Second},
		},
	} {
		got, err := outbound(Config{Name: "main", Annotations: c.own}, c.pod, c.noDialing)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, %v; want %+v", name, got, err, c.want)
		}
	}
}

func TestOutboundThatCannotBe(t *testing.T) {
	const own, krustlet = "wazelet.dev/outbound-http", "alpha.wasi.krustlet.dev/allowed-domains"
	for name, pod := range map[string]map[string]string{
		"another scheme":        {own: "ftp://a.example"},
		"no scheme":             {own: "://a.example"},
		"a path":                {own: "https://a.example/"},
		"a query":               {own: "https://a.example?a"},
		"a user":                {own: "https://me@a.example"},
		"no host":               {own: "https://:8080"},
		"nothing between":       {own: "a.example,,b.example"},
		"no port":               {own: "a.example:"},
		"a port too large":      {own: "a.example:65536"},
		"port 0":                {own: "a.example:0"},
		"a pattern":             {own: "*.example"},
		"a name beyond ASCII":   {own: "bücher.example"},
		"a zone":                {own: "[fe80::1%25eth0]"},
		"nobody at once":        {own: "*", own + "-concurrency": "0"},
		"too many at once":      {own: "*", own + "-concurrency": "1025"},
		"no time":               {own: "*", own + "-timeout": "0s"},
		"for ever":              {own: "*", own + "-timeout": "2h"},
		"no unit":               {own: "*", own + "-timeout": "30"},
		"wrong, though nothing": {own + "-timeout": "30"},
		"no list":               {krustlet: "https://a.example"},
		"a list of numbers":     {krustlet: "[1]"},
		"a domain, not a URL":   {krustlet: `["a.example"]`},
		"a host that is none":   {krustlet: `["https://bücher.example"]`},
		"not a number":          {krustlet: `["https://a.example"]`, "alpha.wasi.krustlet.dev/max-concurrent-requests": "many"},
	} {
		if got, err := outbound(Config{Name: "main"}, pod, false); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestTheNodesCertificates(t *testing.T) {
	o := &spec.Outbound{}
	dir := t.TempDir()
	files := []string{filepath.Join(dir, "absent"), dir, filepath.Join(dir, "bundle")}
	if got := trustMounts(files, o, nil); got != nil {
		t.Errorf("without a file: %+v", got)
	}
	if err := os.WriteFile(files[2], nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got := trustMounts(files, o, []string{"/etc/hosts", "/etc/resolv.conf", "/data", "/etc/ssl.d"})
	if len(got) != 1 || got[0].Destination != "/etc/ssl/certs/ca-certificates.crt" || got[0].Source != files[2] || !got[0].ReadOnly {
		t.Errorf("shown: %+v", got)
	}
	if got := trustMounts(files, nil, nil); got != nil {
		t.Errorf("shown to a guest that makes no requests: %+v", got)
	}
	for _, at := range []string{"/", "/etc", "/etc/", "/etc/ssl", "/etc/ssl/certs", "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs"} {
		if got := trustMounts(files, o, []string{at}); got != nil {
			t.Errorf("shown beside a mount at %s: %+v", at, got)
		}
	}
}

func FuzzOutbound(f *testing.F) {
	f.Add("https://a.example,b:80, [::1]", `["https://a.example", "insecure:allow-all"]`)
	f.Add("none", `["//a.example", "http://u:p@B.example:1/x?y#z"]`)
	f.Add("HTTPS://A.Example:0443,*,http://[::ffff:192.0.2.1]:8080", `["http://[fe80::1%25eth0]/", "a.example"]`)
	f.Add("a.example:,://b,[::1%25eth0]:80,u@c,d/e", `["https://%61.example", "https://\u00e4.example", null]`)
	f.Fuzz(func(t *testing.T, own, krustlet string) {
		for _, key := range []string{outboundAnnotation, krustletDomainsAnnotation} {
			pod := map[string]string{key: own}
			if key == krustletDomainsAnnotation {
				pod[key] = krustlet
			}
			o, err := outbound(Config{Name: "main"}, pod, false)
			if err != nil || o == nil {
				continue
			}
			for _, a := range o.Allowed {
				if a.Host == "" && a != (spec.Origin{}) || strings.ContainsAny(a.Host, "/@?#% *ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
					t.Errorf("%s: %q allows %+v", key, pod[key], a)
				}
			}
		}
	})
}
