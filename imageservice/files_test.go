// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"archive/tar"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestOpenEntry(t *testing.T) {
	h := newHub(t)
	s := newService(t, nil)
	layers := []layer{
		gzipLayer(t,
			file{name: "usr/bin/tool.wasm", body: "lower"}, file{name: "app/run.wasm", body: "run"}, file{name: "removed.wasm", body: "x"},
			file{name: "dir", kind: tar.TypeDir}, file{name: "up.wasm", kind: tar.TypeSymlink, link: "../../../../app/run.wasm"},
			file{name: "abs.wasm", kind: tar.TypeSymlink, link: "/app/run.wasm"}, file{name: "host.wasm", kind: tar.TypeSymlink, link: "/etc/hostname"},
			file{name: "loop.wasm", kind: tar.TypeSymlink, link: "loop.wasm"}),
		gzipLayer(t, file{name: "usr/bin/tool.wasm", body: "upper"}, file{name: ".wh.removed.wasm"}),
	}
	for _, test := range []struct {
		name            string
		entrypoint, cmd string
		env, dir        string
		want, body      string // "" for not found
	}{
		{"absolute", "/app/run.wasm", "", "", "", "/app/run.wasm", "run"},
		{"of cmd", "", "/app/run.wasm x", "", "", "/app/run.wasm", "run"},
		{"entrypoint goes first", "/app/run.wasm", "/usr/bin/tool.wasm", "", "", "/app/run.wasm", "run"},
		{"upper layer", "/usr/bin/tool.wasm", "", "", "", "/usr/bin/tool.wasm", "upper"},
		{"default path", "tool.wasm", "", "", "", "/usr/bin/tool.wasm", "upper"},
		{"path of image", "run.wasm", "", "PATH=/nowhere:/app", "", "/app/run.wasm", "run"},
		{"path without it", "tool.wasm", "", "PATH=/app", "", "", ""},
		{"working directory", "run.wasm", "", "", "/app", "/app/run.wasm", "run"},
		{"relative", "./run.wasm", "", "", "app", "/app/run.wasm", "run"},
		{"upwards", "../app/run.wasm", "", "", "/usr", "/app/run.wasm", "run"},
		{"link upwards", "/up.wasm", "", "", "", "/app/run.wasm", "run"},
		{"absolute link", "abs.wasm", "", "", "/", "/app/run.wasm", "run"},
		{"link to a file of the host", "/host.wasm", "", "", "", "", ""},
		{"removed by a layer", "/removed.wasm", "", "", "", "", ""},
		{"directory", "/dir", "", "", "", "", ""},
		{"file as directory", "/app/run.wasm/x", "", "", "", "", ""},
		{"nothing named", "", "", "", "", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			repository := strings.ReplaceAll(test.name, " ", "-") + ":1"
			h.push(t, repository, filesImage(t, func(c *v1.ConfigFile) {
				c.Config.Entrypoint, c.Config.Cmd = strings.Fields(test.entrypoint), strings.Fields(test.cmd)
				c.Config.Env, c.Config.WorkingDir = strings.Fields(test.env), test.dir
			}, layers...))
			f, name, err := s.OpenEntry(t.Context(), mustPull(t, s, h.ref(repository)))
			if test.want == "" {
				if !errdefs.IsNotFound(err) {
					t.Errorf("%s, %v; want not found", name, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			body := make([]byte, 16)
			n, _ := f.Read(body)
			if name != test.want || string(body[:n]) != test.body {
				t.Errorf("%s with %q, want %s with %q", name, body[:n], test.want, test.body)
			}
		})
	}
	h.push(t, "loop:1", filesImage(t, func(c *v1.ConfigFile) { c.Config.Entrypoint = []string{"/loop.wasm"} }, layers...))
	if _, _, err := s.OpenEntry(t.Context(), mustPull(t, s, h.ref("loop:1"))); err == nil || errdefs.IsNotFound(err) {
		t.Errorf("link to itself: %v", err)
	}
}

func TestLookupUser(t *testing.T) {
	h := newHub(t)
	s := newService(t, nil)
	h.push(t, "app:1", filesImage(t, nil, gzipLayer(t,
		file{name: "etc/passwd", body: "root:x:0:0::/:\nweb:x:33:34:Web:/srv:/bin/sh\nlinked:x:40:41::/:\n"},
		file{name: "etc/group", body: "root:x:0:\nweb:x:34:\nlogs:x:50:web,other\nmore:x:51:web\n"})))
	h.push(t, "scratch:1", filesImage(t, nil, gzipLayer(t, file{name: "hello.wasm"})))
	h.push(t, "mod:1", moduleArtifact(t, wasm))
	for _, test := range []struct {
		image, spec string
		uid, gid    uint32
		groups      []uint32
		bad         bool
	}{
		{image: "app:1", spec: ""},
		{image: "app:1", spec: "0"},
		{image: "app:1", spec: "web", uid: 33, gid: 34, groups: []uint32{50, 51}},
		{image: "app:1", spec: "33", uid: 33, gid: 34, groups: []uint32{50, 51}},
		{image: "app:1", spec: "33:7", uid: 33, gid: 7, groups: []uint32{50, 51}},
		{image: "app:1", spec: "web:logs", uid: 33, gid: 50, groups: []uint32{50, 51}},
		{image: "app:1", spec: "1000", uid: 1000},
		{image: "app:1", spec: "1000:1001", uid: 1000, gid: 1001},
		{image: "app:1", spec: "nobody", bad: true},
		{image: "app:1", spec: "web:nogroup", bad: true},
		{image: "app:1", spec: "-1", bad: true},
		{image: "app:1", spec: "99999999999", bad: true},
		{image: "scratch:1", spec: "1000", uid: 1000},
		{image: "scratch:1", spec: "web", bad: true},
		{image: "mod:1", spec: "", uid: 0},
		{image: "mod:1", spec: "5:6", uid: 5, gid: 6},
		{image: "mod:1", spec: "web", bad: true},
	} {
		uid, gid, groups, err := s.LookupUser(t.Context(), mustPull(t, s, h.ref(test.image)), test.spec)
		if test.bad {
			if !errdefs.IsInvalidArgument(err) {
				t.Errorf("%s %q: %d:%d, %v; want invalid argument", test.image, test.spec, uid, gid, err)
			}
			continue
		}
		if err != nil || uid != test.uid || gid != test.gid || !slices.Equal(groups, test.groups) {
			t.Errorf("%s %q = %d:%d %v, %v", test.image, test.spec, uid, gid, groups, err)
		}
	}
}

// /etc/passwd may be a link, but only within the image; and it is read up to a bound.
func TestLookupUserInHostileImages(t *testing.T) {
	h := newHub(t)
	s := newService(t, nil)
	h.push(t, "link:1", filesImage(t, nil, gzipLayer(t, file{name: "etc/passwd", kind: tar.TypeSymlink, link: "../../../../../../etc/passwd"})))
	if _, _, _, err := s.LookupUser(t.Context(), mustPull(t, s, h.ref("link:1")), "daemon"); err == nil {
		t.Error("a user of the host was found through a link to itself")
	}
	h.push(t, "long:1", filesImage(t, nil, gzipLayer(t, file{name: "etc/passwd", body: strings.Repeat("a:x:1:1::/:\n", maxAccounts/12+1)})))
	if _, _, _, err := s.LookupUser(t.Context(), mustPull(t, s, h.ref("long:1")), "a"); !errdefs.IsInvalidArgument(err) {
		t.Errorf("gigantic passwd: %v", err)
	}
}
