// SPDX-License-Identifier: Apache-2.0

package install

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// place stages and commits an item.
func place(t *testing.T, c *change) {
	t.Helper()
	if _, _, err := c.stage(); err != nil {
		t.Fatal(err)
	}
	if err := c.commit(); err != nil {
		t.Fatal(err)
	}
}

// contents lists what is below the root: files with their bytes, links with their
// targets.
func contents(t *testing.T, h Host) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(string(h), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := strings.TrimPrefix(path, string(h))
		if target, err := os.Readlink(path); err == nil {
			list = append(list, name+" -> "+target)
			return nil
		}
		content, err := os.ReadFile(path)
		list = append(list, name+" = "+string(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestAChangeCanBeTakenBackUntilItIsSettled(t *testing.T) {
	for name, test := range map[string]struct {
		before    map[string]string
		keep      bool
		committed []string
		settled   []string
	}{
		"new": {nil, false, []string{"/d/f = new"}, []string{"/d/f = new"}},
		"renewed": {map[string]string{"/d/f": "old"}, false,
			[]string{"/d/f = new", "/d/f.wazelet-old = old"}, []string{"/d/f = new"}},
		"somebody else's": {map[string]string{"/d/f": "theirs"}, true,
			[]string{"/d/f = new", "/d/f.before-wazelet = theirs"}, []string{"/d/f = new", "/d/f.before-wazelet = theirs"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := tree(t, test.before)
			before := contents(t, h)
			c := &change{host: h, item: Item{Path: "/d/f", Mode: 0o644, Content: []byte("new")}, keep: test.keep}
			if _, _, err := c.stage(); err != nil {
				t.Fatal(err)
			}
			for range 2 { // a second time does nothing
				if err := c.restore(); err != nil || !slices.Equal(contents(t, h), before) {
					t.Errorf("staged and restored: %v, %v", contents(t, h), err)
				}
			}
			place(t, c)
			if got := contents(t, h); !slices.Equal(got, test.committed) {
				t.Errorf("committed: %v", got)
			}
			for range 2 {
				if err := c.restore(); err != nil || !slices.Equal(contents(t, h), before) {
					t.Errorf("committed and restored: %v, %v", contents(t, h), err)
				}
			}
			place(t, c)
			if err := c.settle(); err != nil || !slices.Equal(contents(t, h), test.settled) {
				t.Errorf("settled: %v, %v", contents(t, h), err)
			}
		})
	}
}

// TestAKilledInstallerLeavesNothingToBringBack finds what one has staged and put in
// place: the next one must not take it for what was there before.
func TestAKilledInstallerLeavesNothingToBringBack(t *testing.T) {
	h := tree(t, map[string]string{"/f": "present", "/f.wazelet-old": "long ago", "/f.wazelet-new": "half"})
	c := &change{host: h, item: Item{Path: "/f", Mode: 0o644, Content: []byte("new")}}
	place(t, c)
	if err := c.restore(); err != nil || !slices.Equal(contents(t, h), []string{"/f = present"}) {
		t.Errorf("restored: %v, %v", contents(t, h), err)
	}
}

// TestARunningProgramIsReplaced keeps the process that runs the old file.
func TestARunningProgramIsReplaced(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	h := tree(t, nil)
	item := Item{Path: "/bin/program", Mode: 0o755, Source: sleep}
	place(t, &change{host: h, item: item})
	running := exec.Command(filepath.Join(string(h), "bin/program"), "60")
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	c := &change{host: h, item: Item{Path: "/bin/program", Mode: 0o755, Content: []byte("#!/bin/sh\necho renewed\n")}}
	place(t, c)
	if err := c.settle(); err != nil {
		t.Fatal(err)
	}
	if err := running.Process.Signal(unix.Signal(0)); err != nil {
		t.Errorf("the old program ended: %v", err)
	}
	if out, err := exec.Command(filepath.Join(string(h), "bin/program")).Output(); err != nil || string(out) != "renewed\n" {
		t.Errorf("the new one says %q, %v", out, err)
	}
	if err := running.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	running.Wait()
}

func TestRemovingPutsBackAndKeepsWhatWasChanged(t *testing.T) {
	h := tree(t, map[string]string{"/ours": "ours", "/changed": "changed", "/over": "ours", "/over.before-wazelet": "theirs"})
	sum := func(path string) string {
		s, err := digest(filepath.Join(string(h), path))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, f := range []Installed{
		{Path: "/ours", Digest: sum("/ours")},
		{Path: "/changed", Digest: "of what was installed"},
		{Path: "/over", Digest: sum("/over"), Replaced: "/over.before-wazelet"},
		{Path: "/gone", Digest: "x"},
	} {
		kept, err := h.setAside(f)
		if err != nil || (kept != "") != (f.Path == "/changed") {
			t.Errorf("%s: kept %q, %v", f.Path, kept, err)
		}
	}
	if got := contents(t, h); !slices.Equal(got, []string{"/changed.wazelet-old = changed", "/over = theirs"}) {
		t.Errorf("left are %v", got)
	}
}

// TestLinksStayOnTheNode follows an absolute link of the node's below its root, and
// replaces a link instead of what it leads to.
func TestLinksStayOnTheNode(t *testing.T) {
	h := tree(t, map[string]string{"/run/socket": "here", "/etc/real": "real"})
	for at, target := range map[string]string{"/var-run": "/run", "/etc/link": "/etc/real"} {
		if err := os.Symlink(target, filepath.Join(string(h), at)); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(h, "/var-run/socket"); got != "here" {
		t.Errorf("through the link is %q", got)
	}
	place(t, &change{host: h, item: Item{Path: "/etc/link", Mode: 0o644, Content: []byte("new")}, keep: true})
	want := []string{"/etc/link = new", "/etc/link.before-wazelet -> /etc/real", "/etc/real = real", "/run/socket = here", "/var-run -> /run"}
	if got := contents(t, h); !slices.Equal(got, want) {
		t.Errorf("there is %v", got)
	}
}

func TestManifestsOfOtherFormatsAreNotGuessedAt(t *testing.T) {
	h := tree(t, map[string]string{"/etc/wazelet/installed.json": `{"version":2,"release":"v9"}`})
	if m, err := h.ReadManifest("/etc/wazelet/config.toml"); err == nil || !strings.Contains(err.Error(), "v9") {
		t.Errorf("read %+v, %v", m, err)
	}
	if m, err := h.ReadManifest("/etc/other/config.toml"); m != nil || err != nil {
		t.Errorf("an absent one is %+v, %v", m, err)
	}
	if _, err := digest(string(h)); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a folder has a digest: %v", err)
	}
}
