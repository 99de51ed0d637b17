// SPDX-License-Identifier: Apache-2.0

package archive

import (
	stdtar "archive/tar"
	"bytes"
	stdgzip "compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wazelet/wazelet/toolbox/command"
)

// result is what a command did.
type result struct {
	code        int
	out, errors string
}

// run runs a command of this package in a directory.
func run(t *testing.T, dir, stdin string, argv ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	c := &command.Call{
		Name: argv[0], Args: argv[1:], Dir: dir,
		Stdin: command.NewInput(strings.NewReader(stdin)), Stdout: &out, Stderr: &errs,
	}
	code := Commands()[argv[0]](t.Context(), c)
	return result{code, out.String(), errs.String()}
}

// want is the code that a command must have.
func (r result) want(t *testing.T, code int) result {
	t.Helper()
	if r.code != code {
		t.Fatalf("exit code %d, want %d\n%s%s", r.code, code, r.out, r.errors)
	}
	return r
}

// pack makes an archive of headers; what a header's Linkname is for a file is its content.
func pack(t testing.TB, headers ...stdtar.Header) string {
	t.Helper()
	var out bytes.Buffer
	w := stdtar.NewWriter(&out)
	for _, h := range headers {
		content := ""
		if h.Typeflag == stdtar.TypeReg {
			content, h.Linkname = h.Linkname, ""
			h.Size = int64(len(content))
		}
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func file(name, content string) stdtar.Header {
	return stdtar.Header{Typeflag: stdtar.TypeReg, Name: name, Linkname: content}
}

func link(name, target string) stdtar.Header {
	return stdtar.Header{Typeflag: stdtar.TypeSymlink, Name: name, Linkname: target}
}

func hard(name, target string) stdtar.Header {
	return stdtar.Header{Typeflag: stdtar.TypeLink, Name: name, Linkname: target}
}

func directory(name string) stdtar.Header {
	return stdtar.Header{Typeflag: stdtar.TypeDir, Name: name}
}

// write writes files, with the directories they need.
func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// tree lists what is in a directory: files with their content, links with their target.
func tree(t testing.TB, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		short := strings.TrimPrefix(name, dir+"/")
		switch {
		case d.IsDir():
			all = append(all, short+"/")
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			all = append(all, short+"->"+target)
			return err
		default:
			content, err := os.ReadFile(name)
			all = append(all, short+"="+string(content))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func wantTree(t testing.TB, dir string, want ...string) {
	t.Helper()
	if have := tree(t, dir); !slices.Equal(have, want) {
		t.Errorf("have %q\nwant %q", have, want)
	}
}

// TestKubectlCopies does what `kubectl cp` does, in both directions.
func TestKubectlCopies(t *testing.T) {
	for _, extract := range [][]string{
		{"tar", "xmf", "-", "-C"}, {"tar", "-xmf", "-", "-C"},
		{"tar", "--no-same-permissions", "--no-same-owner", "-xmf", "-", "-C"},
		{"tar", "-x", "-m", "--file=-", "-C"},
	} {
		root := t.TempDir()
		write(t, root, map[string]string{"data/app/a.txt": "one\n", "data/app/deep/b.txt": "", "data/app/empty/x": ""})
		if err := os.Remove(root + "/data/app/empty/x"); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("a.txt", root+"/data/app/link"); err != nil {
			t.Fatal(err)
		}
		packed := run(t, root, "", "tar", "cf", "-", root+"/data/app").want(t, 0)
		if !strings.Contains(packed.errors, "Removing leading '/'") {
			t.Errorf("nothing said about the leading slash: %q", packed.errors)
		}
		if err := os.Mkdir(root+"/to", 0o755); err != nil {
			t.Fatal(err)
		}
		run(t, "/", packed.out, append(extract, root+"/to")...).want(t, 0)
		wantTree(t, root+"/to"+root+"/data", "app/", "app/a.txt=one\n", "app/deep/", "app/deep/b.txt=",
			"app/empty/", "app/link->a.txt")
	}
}

func TestPackedNames(t *testing.T) {
	for name, want := range map[string]string{
		"a": "a", "./a": "./a", "/": ".", "/a/b": "a/b", "//a": "a", "../a": "a", "../../a/b": "a/b",
		"..": ".", "/..": ".", "a/../b": "b", ".": ".", "a..b": "a..b", "/../x/../../y": "y", "a/..": ".",
	} {
		have, _ := packedName(name)
		if have != want {
			t.Errorf("%s is packed as %s, want %s", name, have, want)
		}
		if slices.Contains(strings.Split(have, "/"), "..") {
			t.Errorf("%s is packed as %s, which leads up", name, have)
		}
	}
}

func TestDirectoriesInOrder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a/x": "1", "a/b/y": "2", "z": "3"})
	have := run(t, dir, "", "tar", "-cvf", "all.tar", "z", "-C", "a", "x", "-C", "b", "y").want(t, 0)
	if have.out != "z\nx\ny\n" {
		t.Errorf("packed %q", have.out)
	}
	if err := os.MkdirAll(dir+"/to/deep", 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "", "tar", "-x", "-C", "to", "-f", "all.tar", "-C", "deep").want(t, 0)
	wantTree(t, dir+"/to", "deep/", "deep/x=1", "deep/y=2", "deep/z=3")
	if r := run(t, dir, "", "tar", "xf", "all.tar", "-C", "none", "nothing").want(t, 2); !strings.Contains(r.errors, "nothing: Not found in archive") {
		t.Errorf("%q", r.errors)
	}
}

func TestCreateTakesItself(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "1"})
	run(t, dir, "", "tar", "cf", "all.tar", ".").want(t, 0)
	if have := run(t, dir, "", "tar", "tf", "all.tar").want(t, 0); have.out != "./\n./a\n" {
		t.Errorf("listed %q", have.out)
	}
}

func TestSelectAndExclude(t *testing.T) {
	archive := pack(t, directory("d/"), file("d/a.log", "1"), file("d/b.txt", "2"), file("d/sub/c.log", "3"), file("e", "4"))
	for _, one := range []struct {
		args []string
		want string
	}{
		{nil, "d/\nd/a.log\nd/b.txt\nd/sub/c.log\ne\n"},
		{[]string{"d/sub"}, "d/sub/c.log\n"},
		{[]string{"./e"}, "e\n"},
		{[]string{"--exclude=*.log"}, "d/\nd/b.txt\ne\n"},
		{[]string{"--exclude", "sub"}, "d/\nd/a.log\nd/b.txt\ne\n"},
		{[]string{"--exclude=d/s*g"}, "d/\nd/a.log\nd/b.txt\ne\n"},
		{[]string{"--exclude=d"}, "e\n"},
	} {
		have := run(t, t.TempDir(), archive, append([]string{"tar", "t"}, one.args...)...).want(t, 0)
		if have.out != one.want {
			t.Errorf("%q: have %q, want %q", one.args, have.out, one.want)
		}
	}
}

func TestStripAndStandardOutput(t *testing.T) {
	archive := pack(t, directory("a/"), file("a/b/c", "1"), file("a/d", "2"))
	dir := t.TempDir()
	run(t, dir, archive, "tar", "x", "--strip-components=1").want(t, 0)
	wantTree(t, dir, "b/", "b/c=1", "d=2")
	if have := run(t, dir, archive, "tar", "xOf", "-", "a/d").want(t, 0); have.out != "2" {
		t.Errorf("-O wrote %q", have.out)
	}
}

func TestLongListing(t *testing.T) {
	h := file("a", "12345")
	h.ModTime, h.Uname, h.Gname, h.Mode = time.Date(2026, 2, 3, 4, 5, 6, 0, time.Local), "root", "root", 0o640
	have := run(t, "/", pack(t, h, link("l", "to")), "tar", "tvf", "-").want(t, 0)
	if first, second, _ := strings.Cut(have.out, "\n"); first != "-rw-r----- root/root         5 2026-02-03 04:05 a" ||
		!strings.HasSuffix(second, " l -> to\n") || !strings.HasPrefix(second, "lrwxr-xr-x 0/0 ") {
		t.Errorf("listed %q", have.out)
	}
}

// TestNothingEscapes unpacks archives that try to write outside of the directory.
func TestNothingEscapes(t *testing.T) {
	for name, entries := range map[string][]stdtar.Header{
		"parent":            {file("../outside", "x")},
		"parent in between": {file("a/../../outside", "x")},
		"absolute":          {file("/outside", "x")},
		"absolute link":     {link("l", "OUT"), file("l/outside", "x")},
		"relative link":     {link("l", ".."), file("l/outside", "x")},
		"link in a link":    {link("a", "."), link("a/b", ".."), file("b/outside", "x")},
		"file over a link":  {link("outside", "OUT/outside"), file("outside", "x")},
		"link, replaced": {
			directory("d/s/"), link("x", "d"), link("x/s", "OUT"), link("d/s/outside", "OUT"), link("d/s", "OUT"),
		},
		"link to a link":     {link("l", "OUT"), hard("m", "l"), file("m/outside", "x")},
		"hard link":          {hard("l", "../secret"), file("l", "x")},
		"hard link absolute": {hard("l", "OUT/secret"), file("l", "x")},
		"directory in link":  {link("l", "OUT"), directory("l/outside/")},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			write(t, root, map[string]string{"secret": "kept", "in/here": ""})
			for i := range entries {
				entries[i].Linkname = strings.ReplaceAll(entries[i].Linkname, "OUT", root)
			}
			r := run(t, root+"/in", pack(t, entries...), "tar", "xf", "-")
			for _, one := range tree(t, root) {
				if !strings.HasPrefix(one, "in/") && one != "secret=kept" {
					t.Errorf("made %s; said %q", one, r.errors)
				}
			}
		})
	}
}

func TestLinksOfAnArchive(t *testing.T) {
	dir := t.TempDir()
	archive := pack(t, link("bin/current", "../v1"), file("v1/run", "one"), hard("bin/run", "v1/run"), link("here", "v1/run"),
		hard("again", "here"))
	run(t, dir, archive, "tar", "xf", "-").want(t, 0)
	wantTree(t, dir, "again->v1/run", "bin/", "bin/current->../v1", "bin/run=one", "here->v1/run", "v1/", "v1/run=one")
	first, err1 := os.Stat(dir + "/v1/run")
	second, err2 := os.Stat(dir + "/bin/run")
	if errors.Join(err1, err2) != nil || !os.SameFile(first, second) {
		t.Error("the hard link is none")
	}
	// Unpacked once more, each replaces what is there.
	run(t, dir, archive, "tar", "xf", "-").want(t, 0)
	wantTree(t, dir, "again->v1/run", "bin/", "bin/current->../v1", "bin/run=one", "here->v1/run", "v1/", "v1/run=one")
}

// TestLinksOfTheDirectory: links that were there before are followed, as long as they are not what
// is unpacked.
func TestLinksOfTheDirectory(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"real/f": "old", "in/f": "old"})
	for name, target := range map[string]string{"in/dir": root + "/real", "in/link": root + "/real/f"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	run(t, root+"/in", pack(t, directory("dir/"), file("dir/new", "1"), file("link", "2")), "tar", "xf", "-").want(t, 0)
	wantTree(t, root, "in/", "in/dir->"+root+"/real", "in/f=old", "in/link=2", "real/", "real/f=old", "real/new=1")
}

func TestWhatIsThereAlready(t *testing.T) {
	for _, one := range []struct {
		option, want string
		code         int
	}{{"-v", "new", 0}, {"-k", "old", 2}, {"--skip-old-files", "old", 0}, {"--overwrite", "new", 0}} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"a": "old", "d/x": ""})
		run(t, dir, pack(t, file("a", "new")), "tar", "xf", "-", one.option).want(t, one.code)
		wantTree(t, dir, "a="+one.want, "d/", "d/x=")
		if r := run(t, dir, pack(t, file("d", "new")), "tar", "xf", "-"); r.code != 2 || !strings.Contains(r.errors, "d: Is a directory") {
			t.Errorf("a file in the place of a directory: %v", r)
		}
	}
}

func TestTimes(t *testing.T) {
	when := time.Unix(1e9, 0)
	headers := []stdtar.Header{directory("d/"), file("d/f", "x"), link("d/l", "f")}
	for i := range headers {
		headers[i].ModTime = when
	}
	for _, one := range []struct {
		args []string
		kept bool
	}{{[]string{"tar", "xf", "-"}, true}, {[]string{"tar", "xmf", "-"}, false}} {
		dir := t.TempDir()
		run(t, dir, pack(t, headers...), one.args...).want(t, 0)
		for _, name := range []string{"d", "d/f"} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.ModTime().Equal(when) != one.kept {
				t.Errorf("%q: %s has %v (%v)", one.args, name, info.ModTime(), err)
			}
		}
	}
}

func TestWhatCannotBeMade(t *testing.T) {
	dir := t.TempDir()
	r := run(t, dir, pack(t, stdtar.Header{Typeflag: stdtar.TypeChar, Name: "null"},
		stdtar.Header{Typeflag: stdtar.TypeFifo, Name: "pipe"}, file("a", "1")), "tar", "xf", "-").want(t, 2)
	if !strings.Contains(r.errors, "null: a device") || !strings.Contains(r.errors, "pipe: a named pipe") {
		t.Errorf("said %q", r.errors)
	}
	wantTree(t, dir, "a=1")
}

func TestBadArchives(t *testing.T) {
	whole := pack(t, file("a", strings.Repeat("x", 5000)))
	for name, one := range map[string]struct{ archive, says string }{
		"text":            {strings.Repeat("no archive\n", 100), "does not look like a tar archive"},
		"cut in a file":   {whole[:2000], "unexpected end"},
		"cut in a header": {whole[:200], "unexpected end"},
	} {
		if r := run(t, t.TempDir(), one.archive, "tar", "xf", "-").want(t, 2); !strings.Contains(r.errors, one.says) {
			t.Errorf("%s: said %q", name, r.errors)
		}
	}
	run(t, t.TempDir(), "", "tar", "xf", "-").want(t, 0) // nothing is an archive of nothing
}

func TestBadArguments(t *testing.T) {
	dir := t.TempDir()
	for _, argv := range [][]string{
		{}, {"f", "x"}, {"cx"}, {"c"}, {"xf"}, {"-x", "-f"}, {"xj"}, {"-r", "-f", "a"}, {"x", "--nonsense"}, {"cf", "-", ""},
		{"x", "--strip-components=x"}, {"x", "--exclude=[a"}, {"x", "-C", ""}, {"xf", "none"}, {"cf", "-", "none"}, {"--create=1"},
	} {
		if r := run(t, dir, "", append([]string{"tar"}, argv...)...).want(t, 2); r.errors == "" {
			t.Errorf("%q: nothing said", argv)
		}
	}
}

// TestReadsToTheEnd: who writes the archive must be able to write all of it.
func TestReadsToTheEnd(t *testing.T) {
	in := strings.NewReader(pack(t, file("a", "1")) + strings.Repeat("\x00", 1<<16))
	var out bytes.Buffer
	c := &command.Call{Name: "tar", Args: []string{"t"}, Dir: "/", Stdin: in, Stdout: &out, Stderr: &out}
	if code := Commands()["tar"](t.Context(), c); code != 0 || in.Len() != 0 {
		t.Errorf("exit code %d, %d bytes left: %s", code, in.Len(), out.String())
	}
}

func TestCancelled(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "1"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{{"cf", "-", "a"}, {"xf", "-"}} {
		var out bytes.Buffer
		c := &command.Call{Name: "tar", Args: args, Dir: dir, Stdin: strings.NewReader(pack(t, file("b", "1"))), Stdout: &out, Stderr: &out}
		if code := Commands()["tar"](ctx, c); code == 0 {
			t.Errorf("%q went on", args)
		}
	}
	wantTree(t, dir, "a=1")
}

func TestCompressed(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "1", "list": "a\nb\n", "b": "2"})
	run(t, dir, "", "tar", "czf", "all.tgz", "-T", "list").want(t, 0)
	packed, err := os.ReadFile(dir + "/all.tgz")
	if err != nil || !bytes.HasPrefix(packed, []byte("\x1f\x8b")) {
		t.Fatalf("not compressed: %v", err)
	}
	for _, option := range []string{"tzf", "tf"} {
		if have := run(t, dir, "", "tar", option, "all.tgz").want(t, 0); have.out != "a\nb\n" {
			t.Errorf("listed %q", have.out)
		}
	}
	run(t, dir, "no gzip", "tar", "xzf", "-").want(t, 2)
}

// FuzzExtract unpacks any bytes: nothing may come to be outside of the directory.
func FuzzExtract(f *testing.F) {
	f.Add([]byte(pack(f, directory("d/"), file("d/a", "1"), link("d/l", "../.."), hard("h", "d/a"))))
	f.Add([]byte(pack(f, link("l", ".."), file("l/outside", "x"), file("../x", "y"), link("a/b", "/"))))
	var packed bytes.Buffer
	w := stdgzip.NewWriter(&packed)
	if _, err := io.WriteString(w, pack(f, file("a", "1"))); err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(packed.Bytes())
	f.Fuzz(func(t *testing.T, archive []byte) {
		root := t.TempDir()
		write(t, root, map[string]string{"secret": "kept", "in/here": ""})
		var out bytes.Buffer
		c := &command.Call{Name: "tar", Args: []string{"xvf", "-", "--exclude=z*"}, Dir: root + "/in", Stdin: bytes.NewReader(archive), Stdout: &out, Stderr: &out}
		Commands()["tar"](t.Context(), c)
		entries, err := os.ReadDir(root)
		if err != nil || len(entries) != 2 {
			t.Fatalf("have %v (%v)", entries, err)
		}
		if kept, err := os.ReadFile(root + "/secret"); err != nil || string(kept) != "kept" {
			t.Fatalf("the file outside has %q (%v)", kept, err)
		}
	})
}
