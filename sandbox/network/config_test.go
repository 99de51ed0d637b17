// SPDX-License-Identifier: Apache-2.0

package network

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"
)

// bare is a network whose plugins are empty files.
func bare(t *testing.T, files map[string]string) *Plugin {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	p, err := New(Options{BinDirs: []string{filepath.Join(dir, "bin")}, ConfDir: filepath.Join(dir, "net.d"), CacheDir: filepath.Join(dir, "cache")})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestConfigurationIsTheFirstFile(t *testing.T) {
	const a, b = `{"cniVersion":"1.0.0","name":"a","plugins":[{"type":"x"}]}`, `{"cniVersion":"1.0.0","name":"b","type":"x"}`
	for name, c := range map[string]struct {
		files map[string]string
		want  string // the network, or the start of the error
	}{
		"no directory":    {nil, "error: network: no CNI configuration in "},
		"one":             {map[string]string{"net.d/10.conflist": a}, "a"},
		"by name":         {map[string]string{"net.d/20.conflist": a, "net.d/10.conf": b}, "b"},
		"other files":     {map[string]string{"net.d/00.conflist.bak": "{", "net.d/README": "", "net.d/x/1.conf": b, "net.d/10.json": b}, "b"},
		"loopback aside":  {map[string]string{"net.d/00.conf": `{"cniVersion":"1.0.0","name":"lo","type":"loopback"}`, "net.d/10.conflist": a}, "a"},
		"loopback alone":  {map[string]string{"net.d/99.conf": `{"cniVersion":"1.0.0","name":"lo","type":"loopback"}`}, "error: network: no CNI configuration in "},
		"plugin files":    {map[string]string{"net.d/10.conflist": `{"cniVersion":"1.0.0","name":"a"}`, "net.d/a/1.conf": `{"type":"x"}`}, "a"},
		"half a file":     {map[string]string{"net.d/10.conflist": a[:20], "net.d/20.conflist": a}, "error: network: "},
		"without plugins": {map[string]string{"net.d/10.conflist": `{"cniVersion":"1.0.0","name":"a","plugins":[]}`}, "error: network: "},
		"without a name":  {map[string]string{"net.d/10.conflist": `{"plugins":[{"type":"x"}]}`}, "error: network: "},
		"without a type":  {map[string]string{"net.d/10.conf": `{"name":"a"}`}, "error: network: "},
		"not an object":   {map[string]string{"net.d/10.conflist": `[]`}, "error: network: "},
	} {
		t.Run(name, func(t *testing.T) {
			p := bare(t, c.files)
			if err := errors.Join(os.MkdirAll(p.binDirs[0], 0o755), os.WriteFile(filepath.Join(p.binDirs[0], "x"), nil, 0o700)); err != nil {
				t.Fatal(err)
			}
			got, err := p.Plan("id", Request{Namespace: "n", Name: "p", UID: "u"})
			if want, isError := strings.CutPrefix(c.want, "error: "); isError {
				if !errdefs.IsFailedPrecondition(err) || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), p.confDir) {
					t.Errorf("%v, want %q and the place", err, want)
				}
				if ready := p.Ready(); ready == nil || ready.Error() != err.Error() {
					t.Errorf("ready: %v", ready)
				}
				return
			}
			if err != nil || got.Network != c.want {
				t.Fatalf("%+v, %v", got, err)
			}
			list, err := got.list()
			if err != nil || len(list.Plugins) != 1 || list.Plugins[0].Network.Type != "x" {
				t.Errorf("what was written down: %+v, %v", list, err)
			}
			if err := p.Ready(); err != nil {
				t.Error(err)
			}
			if err := os.Remove(filepath.Join(p.binDirs[0], "x")); err != nil {
				t.Fatal(err)
			}
			_, err = p.Plan("id", Request{})
			for _, err := range []error{err, p.Ready()} {
				if !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), `no plugin "x" in `+p.binDirs[0]) {
					t.Errorf("without the plugin: %v", err)
				}
			}
		})
	}
}

func TestNewNeedsItsDirectories(t *testing.T) {
	whole := Options{BinDirs: []string{"/b"}, ConfDir: "/c", CacheDir: "/d"}
	for _, o := range []Options{{ConfDir: whole.ConfDir, CacheDir: whole.CacheDir}, {BinDirs: whole.BinDirs, CacheDir: whole.CacheDir}, {BinDirs: whole.BinDirs, ConfDir: whole.ConfDir}} {
		if _, err := New(o); !errdefs.IsInvalidArgument(err) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestNamesThatEscapeTheirArgumentAreRefused(t *testing.T) {
	p := bare(t, map[string]string{"net.d/10.conf": `{"cniVersion":"1.0.0","name":"a","type":"x"}`, "bin/x": ""})
	for _, r := range []Request{
		{Namespace: "a;K8S_POD_NAME=b", Name: "c", UID: "d"},
		{Namespace: "a", Name: "c=d", UID: "e"},
		{Namespace: "a", Name: "c", UID: "e\x00"},
	} {
		if _, err := p.Plan("id", r); !errdefs.IsInvalidArgument(err) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func TestAddressesAreThePodsOwn(t *testing.T) {
	ip := func(index int, address string) *types100.IPConfig {
		n, err := types.ParseCIDR(address)
		if err != nil {
			t.Fatal(err)
		}
		c := &types100.IPConfig{Address: *n}
		if index >= -1 {
			c.Interface = &index
		}
		return c
	}
	full := &types100.Result{
		CNIVersion: "1.1.0",
		Interfaces: []*types100.Interface{{Name: "cni0"}, {Name: "eth0", Sandbox: "/ns"}, {Name: "eth1", Sandbox: "/ns"}, nil},
		IPs: []*types100.IPConfig{
			ip(0, "192.0.2.1/24"), ip(1, "192.0.2.7/24"), ip(2, "192.0.2.8/24"), ip(-2, "fd00::7/64"),
			ip(9, "192.0.2.9/24"), ip(-1, "192.0.2.10/24"), ip(3, "192.0.2.11/24"), nil,
		},
	}
	r, err := fromCNI(full)
	if err != nil || strings.Join(r.IPs, " ") != "192.0.2.7 fd00::7" {
		t.Errorf("%v, %v", r.IPs, err)
	}
	full.IPs = full.IPs[:1]
	if _, err := fromCNI(full); err == nil {
		t.Error("a pod without an address is attached")
	}
}

// FuzzAttachment: an attachment read back from a record, and a plugin's words,
// may be anything.
func FuzzAttachment(f *testing.F) {
	f.Add([]byte(`{"cniVersion":"1.0.0","name":"a","plugins":[{"type":"x"}]}`), []byte(`{"code":7,"msg":"m"}`))
	f.Add([]byte(`{"name":1}`), []byte("\xff\xfe words"))
	f.Add([]byte(`null`), []byte(nil))
	f.Fuzz(func(t *testing.T, config, words []byte) {
		a := &Attachment{Network: "n", Config: config}
		if list, err := a.list(); err == nil {
			if _, err := freeze(list); err != nil {
				t.Errorf("read but not written: %v", err)
			}
		}
		var out, none bounded
		out.Write(words)
		err := pluginError(os.ErrInvalid, &out, &none)
		if err == nil || len(err.Error()) > 3*maxMessage || strings.ContainsAny(err.Error(), "\n\x00") && !strings.Contains(string(words), "\x00") {
			t.Errorf("%q", err)
		}
	})
}
