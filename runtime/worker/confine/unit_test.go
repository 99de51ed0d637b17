// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

func TestParseOptions(t *testing.T) {
	for _, c := range []struct {
		list   []string
		legacy uintptr
		attrs  uint64
		data   string
	}{
		{nil, 0, 0, ""},
		{[]string{"rbind", "ro"}, unix.MS_BIND | unix.MS_REC | unix.MS_RDONLY, unix.MOUNT_ATTR_RDONLY, ""},
		{[]string{"ro", "rw"}, 0, 0, ""},
		{[]string{"nosuid", "noexec", "size=64m", "mode=1777"}, unix.MS_NOSUID | unix.MS_NOEXEC, unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC, "size=64m,mode=1777"},
		{[]string{"index=off", "", "userxattr"}, 0, 0, "index=off,userxattr"},
	} {
		o := parseOptions(c.list)
		if o.legacy != c.legacy || o.attrs != c.attrs || strings.Join(o.data, ",") != c.data {
			t.Errorf("%q: %+v", c.list, o)
		}
	}
}

func TestShortenOverlayOptions(t *testing.T) {
	for name, c := range map[string]struct {
		lower, dir, want string
	}{
		"siblings":     {"/s/1/fs:/s/2/fs", "/s", "1/fs:2/fs"},
		"one":          {"/s/1/fs", "/s/1", "fs"},
		"apart":        {"/a/1:/b/2", "", "/a/1:/b/2"},
		"prefix trap":  {"/s/1:/s/11", "/s", "1:11"},
		"nested":       {"/s/1:/s/1/2", "/s", "1:1/2"},
		"relative":     {"a/1:a/2", "a", "1:2"},
		"shared start": {"/snap/a:/snapshot/b", "", "/snap/a:/snapshot/b"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options{data: []string{"lowerdir=" + c.lower, "upperdir=/u"}}
			dir := o.shorten(0)
			if dir != c.dir || o.data[0] != "lowerdir="+c.want {
				t.Errorf("in %q: %q", dir, o.data[0])
			}
		})
	}
	o := options{data: []string{"lowerdir=/s/1:/s/2"}}
	if dir := o.shorten(4095); dir != "" || o.data[0] != "lowerdir=/s/1:/s/2" {
		t.Errorf("short options were changed: in %q: %q", dir, o.data[0])
	}
}

func TestProcMounts(t *testing.T) {
	const mountinfo = `22 1 0:20 / /proc rw,nosuid shared:5 - proc proc rw
23 1 0:21 / /data/a\040b/proc rw,nosuid - proc none rw
24 1 0:22 / /frozen ro,nosuid - proc proc rw
25 1 0:22 / /alsofrozen ro - proc proc rw
26 1 8:1 / / rw - ext4 /dev/proc rw
27 1 8:1 / /processes rw - procession x rw
28 1
`
	got, err := procMounts(strings.NewReader(mountinfo))
	if want := []string{"/proc", "/data/a b/proc"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
}

func FuzzProcMounts(f *testing.F) {
	f.Add("22 1 0:20 / /proc rw shared:5 - proc proc rw\n")
	f.Add(`23 1 0:21 / /a\04 rw - proc x` + "\n")
	f.Fuzz(func(t *testing.T, mountinfo string) {
		points, err := procMounts(strings.NewReader(mountinfo))
		if err == nil && len(points) > strings.Count(mountinfo, "\n")+1 {
			t.Errorf("%d mounts out of fewer lines", len(points))
		}
	})
}

// TestEnsureStaysInside makes mount points through links that lead out of the
// tree, by every way there is.
func TestEnsureStaysInside(t *testing.T) {
	dir := t.TempDir()
	top := filepath.Join(dir, "top")
	for name, target := range map[string]string{
		"up": "../../../..", "abs": "/", "gone": "/x/y/z", "relgone": "../q/r", "loop": "loop", "dots": "up/../gone",
	} {
		if err := os.MkdirAll(top, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(top, name)); err != nil {
			t.Fatal(err)
		}
	}
	fd, err := unix.Open(top, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	root := tree{fd}
	for name, want := range map[string]string{
		"/a/b/c": "a/b/c", "../../e": "e", "/up/f": "f", "/abs/g": "g", "/gone": "x/y/z", "/relgone": "q/r",
		"/gone/deeper": "x/y/z/deeper", "/dots/more": "x/y/z/more", "/x/../h": "h", "/": ".",
	} {
		got, err := root.ensure(name, true)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		at, err := os.Readlink(filepath.Join("/proc/self/fd", itoa(got)))
		unix.Close(got)
		if err != nil || at != filepath.Join(top, want) {
			t.Errorf("%s: made %s, %v; want %s", name, at, err, want)
		}
	}
	if _, err := root.ensure("/loop/x", true); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a loop of links: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("beside the tree: %v, %v", entries, err)
	}
}

// TestFilterAnswersEachCallOnce: a second rule for a call would never be
// reached, and may be the stricter one.
func TestFilterAnswersEachCallOnce(t *testing.T) {
	seen := map[uint32]bool{}
	for _, r := range rules(1) {
		if seen[r.nr] {
			t.Errorf("system call %d has two rules", r.nr)
		}
		seen[r.nr] = true
	}
	machine(t, assemble(rules(1), kill))
}

// machine runs a program, after it has looked at its jumps.
func machine(t *testing.T, p program) *bpf.VM {
	t.Helper()
	raw := make([]bpf.RawInstruction, len(p))
	for i, ins := range p {
		raw[i] = bpf.RawInstruction{Op: ins.Code, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	known, all := bpf.Disassemble(raw)
	if !all {
		t.Fatalf("unknown instructions among %v", known)
	}
	vm, err := bpf.NewVM(known)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// TestFilterFindsEachCall among all numbers, those that no rule is for included.
func TestFilterFindsEachCall(t *testing.T) {
	const fallback = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	vm := machine(t, assemble(rules(1), fallback))
	want := map[uint32]uint32{}
	checked := map[uint32]bool{}
	for _, r := range rules(1) {
		want[r.nr], checked[r.nr] = r.otherwise, len(r.checks) > 0
	}
	for nr := range uint32(1024) {
		if checked[nr] {
			continue // the arguments decide
		}
		call := make([]byte, 64) // struct seccomp_data; the machine of package bpf is big-endian
		binary.BigEndian.PutUint32(call[offsetNr:], nr)
		binary.BigEndian.PutUint32(call[offsetArch:], auditArch)
		answer, err := vm.Run(call)
		if err != nil {
			t.Fatal(err)
		}
		expected, ruled := want[nr]
		if !ruled {
			expected = fallback
		}
		if uint32(answer) != expected {
			t.Errorf("call %d is answered with %#x, want %#x", nr, uint32(answer), expected)
		}
	}
}
