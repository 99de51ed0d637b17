// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPodNetworkMustBeConfigured(t *testing.T) {
	for _, test := range []struct{ name, file, content, want string }{
		{"list", "10-a.conflist", `{"name":"a","plugins":[{"type":"x"},{"type":"x","ipam":{"type":"y"}}]}`, `ok: pod network "a" of FILE: x, y`},
		{"one plugin", "10-a.conf", `{"name":"a","type":"x","ipam":{"type":"y"}}`, `ok: pod network "a" of FILE: x, y`},
		{"other file", "10-a.txt", `{}`, "fail: DIR: no .conflist, .conf or .json file: pods get no network"},
		{"no plugins", "10-a.conflist", `{"name":"a"}`, "fail: FILE: names no network and no plugins: pods get no network"},
		{"not JSON", "10-a.conflist", `{`, "fail: FILE: unexpected end of JSON input: pods get no network"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := healthy(t)
			dir := filepath.Join(t.TempDir(), "net.d")
			o.Config.Network.ConfDir = dir
			if got := about(checkCNIConfig(t.Context(), o), ""); got != "fail: open "+dir+": no such file or directory: pods get no network" {
				t.Errorf("without a directory: %q", got)
			}
			write(t, filepath.Join(dir, test.file), test.content)
			write(t, filepath.Join(dir, "99-later.conflist"), "never read")
			if test.name == "other file" {
				if err := os.Remove(filepath.Join(dir, "99-later.conflist")); err != nil {
					t.Fatal(err)
				}
			}
			want := strings.NewReplacer("FILE", filepath.Join(dir, test.file), "DIR", dir).Replace(test.want)
			if got := about(checkCNIConfig(t.Context(), o), ""); got != want {
				t.Errorf("finding is %q, want %q", got, want)
			}
		})
	}
}

func TestPluginsMustRun(t *testing.T) {
	o := healthy(t)
	plugin := filepath.Join(o.Config.Network.BinDirs[1], "host-local")
	for content, want := range map[string]string{
		"#!/bin/sh\necho '{\"supportedVersions\":[\"0.3.1\"]}'\n": "fail: CNI plugin " + plugin + " does not speak version 1.0.0 of ",
		"#!/bin/sh\necho nonsense\n":                              "fail: CNI plugin " + plugin + " does not run: its answer to VERSION: ",
		"#!/bin/sh\nexit 1\n":                                     "fail: CNI plugin " + plugin + " does not run: exit status 1",
		"not a program":                                           "fail: CNI plugin " + plugin + " does not run: fork/exec " + plugin + ": exec format error",
		"":                                                        "fail: CNI plugin host-local is in none of " + strings.Join(o.Config.Network.BinDirs, ", "),
	} {
		if content == "" {
			if err := os.Remove(plugin); err != nil {
				t.Fatal(err)
			}
		} else {
			write(t, plugin, content)
		}
		if got := about(checkCNIPlugins(t.Context(), o), ""); !strings.HasPrefix(got, want) {
			t.Errorf("finding is %q, want %q", got, want)
		}
	}
}

func TestBridgeNeedsNetfilter(t *testing.T) {
	o := healthy(t)
	write(t, filepath.Join(o.Config.Network.ConfDir, "00-bridge.conflist"),
		`{"name":"pods","plugins":[{"type":"bridge","ipMasq":true}]}`)
	t.Setenv("PATH", t.TempDir())
	got := about(checkBridgeNetfilter(t.Context(), o), "")
	if !strings.Contains(got, "br_netfilter is not loaded") && !strings.Contains(got, "net.bridge.bridge-nf-call-iptables is o") {
		t.Errorf("finding is %q", got)
	}
	if strings.HasPrefix(got, "ok: ") && !strings.Contains(got, "fail: iptables is not installed") {
		t.Errorf("finding is %q, want one about iptables", got)
	}
}
