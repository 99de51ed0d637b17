// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/wazelet/wazelet/toolbox/command"
)

func TestGzipFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "content"})
	when := time.Unix(1e9, 0)
	if err := os.Chtimes(dir+"/a", when, when); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "", "gzip", "-9", "a").want(t, 0)
	info, err := os.Stat(dir + "/a.gz")
	if err != nil || !info.ModTime().Equal(when) {
		t.Fatalf("%v (%v)", info, err)
	}
	if have := run(t, dir, "", "zcat", "a.gz").want(t, 0); have.out != "content" {
		t.Errorf("zcat wrote %q", have.out)
	}
	run(t, dir, "", "gzip", "-t", "a.gz").want(t, 0)
	run(t, dir, "", "gunzip", "-k", "a.gz").want(t, 0)
	if have := run(t, dir, "", "gunzip", "a.gz").want(t, 1); !strings.Contains(have.errors, "a already exists") {
		t.Errorf("said %q", have.errors)
	}
	run(t, dir, "", "gzip", "-df", "a.gz").want(t, 0)
	wantTree(t, dir, "a=content")
	for _, name := range []string{"none", "a", "."} {
		if have := run(t, dir, "", "gunzip", name).want(t, 1); have.errors == "" {
			t.Errorf("nothing said about %s", name)
		}
	}
	run(t, dir, "", "gzip", "-k", "a").want(t, 0)
	if have := run(t, dir, "", "gzip", "a.gz").want(t, 1); !strings.Contains(have.errors, "already has .gz suffix") {
		t.Errorf("said %q", have.errors)
	}
	if err := os.Rename(dir+"/a.gz", dir+"/b.tgz"); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "", "gunzip", "b.tgz").want(t, 0)
	wantTree(t, dir, "a=content", "b.tar=content")
}

func TestGzipStreams(t *testing.T) {
	packed := run(t, "/", "one\n", "gzip", "-c").want(t, 0).out
	again := run(t, "/", "two\n", "gzip", "-1n").want(t, 0).out
	for _, one := range []struct {
		in, out, says string
		code          int
		argv          []string
	}{
		{packed, "one\n", "", 0, []string{"gzip", "-dc"}},
		{packed + again, "one\ntwo\n", "", 0, []string{"gunzip"}},
		{packed + "\x00\x00", "one\n", "", 0, []string{"zcat"}},
		{packed + "more", "one\n", "trailing garbage", 2, []string{"zcat"}},
		{packed + "more", "one\n", "", 2, []string{"zcat", "-q"}},
		{packed[:len(packed)-3], "one\n", "unexpected end of file", 1, []string{"zcat"}},
		{packed[:5], "", "unexpected end of file", 1, []string{"zcat"}},
		{"", "", "unexpected end of file", 1, []string{"zcat"}},
		{"plain", "", "not in gzip format", 1, []string{"zcat"}},
		{"plain", "plain", "", 0, []string{"zcat", "-f"}},
		{packed[:len(packed)-8] + "xxxx" + packed[len(packed)-4:], "one\n", "crc error", 1, []string{"gunzip"}},
		{"", "", "invalid option", 2, []string{"gzip", "-y"}},
		{"", "", "invalid suffix", 2, []string{"gzip", "-S", ""}},
	} {
		have := run(t, "/", one.in, one.argv...)
		if have.code != one.code || have.out != one.out || !strings.Contains(have.errors, one.says) || (one.says == "") != (have.errors == "") {
			t.Errorf("%q: have %+v, want %+v", one.argv, have, one)
		}
	}
}

func TestGzipCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	c := &command.Call{Name: "gzip", Dir: "/", Stdin: strings.NewReader("x"), Stdout: &out, Stderr: &out}
	if Commands()["gzip"](ctx, c) == 0 {
		t.Error("went on")
	}
}

// FuzzGunzip expands any bytes.
func FuzzGunzip(f *testing.F) {
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"))
	f.Add([]byte("plain"))
	f.Fuzz(func(t *testing.T, packed []byte) {
		var out, errs bytes.Buffer
		c := &command.Call{Name: "zcat", Dir: "/", Stdin: bytes.NewReader(packed), Stdout: &out, Stderr: &errs}
		if code := Commands()["zcat"](t.Context(), c); (code == 0) != (errs.Len() == 0) {
			t.Errorf("exit code %d, said %q", code, errs.String())
		}
	})
}
