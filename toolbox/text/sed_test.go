// SPDX-License-Identifier: Apache-2.0

package text

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/toolbox/command"
)

// result is what a command did.
type result struct {
	code        int
	out, errors string
}

// run runs a command of this package in a directory.
func run(ctx context.Context, dir, stdin string, argv ...string) result {
	var out, errs bytes.Buffer
	c := &command.Call{
		Name: argv[0], Args: argv[1:], Dir: dir,
		Stdin: command.NewInput(strings.NewReader(stdin)), Stdout: &out, Stderr: &errs,
	}
	code := Commands()[argv[0]](ctx, c)
	return result{code, out.String(), errs.String()}
}

// fields are the arguments that a line of a test stands for, apart by spaces.
func fields(line string) []string { return strings.Split(line, " ") }

const numbers = "one\ntwo\nthree\nfour\nfive\n"

func TestSed(t *testing.T) {
	for _, one := range []struct {
		argv     []string
		in, want string
	}{
		{[]string{"s/o/0/"}, "foo\n", "f0o\n"},
		{[]string{"s/o/0/g"}, "foo\n", "f00\n"},
		{[]string{"s/o/0/2"}, "foooo\n", "fo0oo\n"},
		{[]string{"s/o/0/2g"}, "foooo\n", "fo000\n"},
		{[]string{"s/O/0/I"}, "foo\n", "f0o\n"},
		{[]string{"-n", "s/o/0/p"}, "foo\nbar\n", "f0o\n"},
		{[]string{"s/x*/-/g"}, "ab\n", "-a-b-\n"},
		{[]string{`s/\(a\)\(b\)/\2&\1/`}, "ab\n", "baba\n"},
		{[]string{"-E", `s/(a)(b)/\2\1/`}, "ab\n", "ba\n"},
		{[]string{`s,/,\,,`}, "a/b\n", "a,b\n"},
		{[]string{`s/[/]/|/`}, "a/b\n", "a|b\n"},
		{[]string{`s/b/\n/`}, "abc\n", "a\nc\n"},
		{[]string{`s/.*/\u&/;s/$/\&/`}, "abc\n", "Abc&\n"},
		{[]string{`s/\(a\)\(b\)/\U\1\E\2/`}, "ab\n", "Ab\n"},
		{[]string{"2d"}, numbers, "one\nthree\nfour\nfive\n"},
		{[]string{"$!d"}, numbers, "five\n"},
		{[]string{"-n", "2,4p"}, numbers, "two\nthree\nfour\n"},
		{[]string{"-n", "4,2p"}, numbers, "four\n"},
		{[]string{"-n", "/two/,/four/p"}, numbers, "two\nthree\nfour\n"},
		{[]string{"-n", "/two/,+1p"}, numbers, "two\nthree\n"},
		{[]string{"-n", "2,~2p"}, numbers, "two\n"},
		{[]string{"-n", "0~2p"}, numbers, "two\nfour\n"},
		{[]string{"-n", "0,/one/p"}, numbers, "one\n"},
		{[]string{"-n", `\,two,p`}, numbers, "two\n"},
		{[]string{"-n", "/T/Ip"}, numbers, "two\nthree\n"},
		{[]string{"-n", "/one/,/three/{//!p}"}, numbers, "two\n"},
		{[]string{"-n", "$="}, numbers, "5\n"},
		{[]string{"2q"}, numbers, "one\ntwo\n"},
		{[]string{"2Q"}, numbers, "one\n"},
		{[]string{"1a after"}, "x\n", "x\nafter\n"},
		{[]string{"1i\\\nbefore"}, "x\n", "before\nx\n"},
		{[]string{"1,2c changed"}, "a\nb\nc\n", "changed\nc\n"},
		{[]string{"y/abc/xy\\n/"}, "abc\n", "xy\n\n"},
		{[]string{"n;d"}, numbers, "one\nthree\nfive\n"},
		{[]string{"N;s/\\n/ /"}, numbers, "one two\nthree four\nfive\n"},
		{[]string{"$!N;P;D"}, "a\nb\nc\n", "a\nb\nc\n"},
		{[]string{":a;N;$!ba;s/\\n/,/g"}, numbers, "one,two,three,four,five\n"},
		{[]string{"-e", ":a", "-e", "s/^.\\{1,3\\}$/ &/;ta"}, "x\n", "   x\n"},
		{[]string{"s/x/y/;T;s/$/!/"}, "x\nz\n", "y!\nz\n"},
		{[]string{"-n", "1!G;h;$p"}, "a\nb\nc\n", "c\nb\na\n"},
		{[]string{"-n", "l"}, "a\t\\\x01\n", "a\\t\\\\\\001$\n"},
		{[]string{"-z", "s/\\n/,/g"}, "a\nb\n", "a,b,"},
		{[]string{"#n\np"}, "a\n", "a\n"},
		{[]string{"p"}, "no newline", "no newline\nno newline"},
		{[]string{"$a end"}, "no newline", "no newline\nend\n"},
		{[]string{"s/a/b/w /dev/stdout"}, "a\n", "b\nb\n"},
		{[]string{"r none"}, "a\n", "a\n"},
		{[]string{""}, "a\n", "a\n"},
	} {
		have := run(t.Context(), "/none", one.in, append([]string{"sed"}, one.argv...)...)
		if have.out != one.want || have.code != 0 {
			t.Errorf("sed %q: have %+v, want %q", one.argv, have, one.want)
		}
	}
	if have := run(t.Context(), "/", numbers, "sed", "3q5"); have.code != 5 {
		t.Errorf("q5: %+v", have)
	}
}

func TestSedRefuses(t *testing.T) {
	for _, script := range []string{
		"s/a", "s/a/b/k", "k", "{p", "p}", "1,p", "b none", "y/a/bc/", "s/a/\\1/", "s/\\(/x/", "p p", "r", "!", "s",
	} {
		if have := run(t.Context(), "/", "a\n", "sed", script); have.code != 2 || have.errors == "" || have.out != "" {
			t.Errorf("sed %q: %+v", script, have)
		}
	}
	if have := run(t.Context(), "/", "a\n", "sed", "s//x/"); have.code == 0 {
		t.Errorf("an empty expression without another: %+v", have)
	}
}

func TestSedFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(dir+"/"+name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) string {
		content, err := os.ReadFile(dir + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	write("a", "1\n2\n")
	write("b", "3\n4\n")
	for line, want := range map[string]string{
		"sed -n $p a b": "4\n", "sed -s -n $p a b": "2\n4\n", "sed 1d a b": "2\n3\n4\n", "sed -s 1d a b": "2\n4\n",
		"sed 1rb a": "1\n3\n4\n2\n",
	} {
		if have := run(t.Context(), dir, "", fields(line)...); have.out != want {
			t.Errorf("%s: %+v, want %q", line, have, want)
		}
	}
	if have := run(t.Context(), dir, "", "sed", "-i.old", "$s/$/!/;1w out", "a", "b"); have.code != 0 || have.out != "" {
		t.Errorf("%+v", have)
	}
	if read("a") != "1\n2!\n" || read("b") != "3\n4!\n" || read("a.old") != "1\n2\n" || read("out") != "1\n3\n" {
		t.Errorf("have %q %q %q %q", read("a"), read("b"), read("a.old"), read("out"))
	}
	if have := run(t.Context(), dir, "", "sed", "-i", "1d", "none", "a"); have.code != 2 || read("a") != "2!\n" {
		t.Errorf("%+v, a is %q", have, read("a"))
	}
	if have := run(t.Context(), dir, "", "sed", "p", "none"); have.code != 2 || have.errors != "sed: none: No such file or directory\n" {
		t.Errorf("%+v", have)
	}
}

// TestSedEnds: a script that would go on for ever ends with its context.
func TestSedEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if have := run(ctx, "/", "a\n", "sed", ":a;ba"); have.code == 0 {
		t.Errorf("%+v", have)
	}
	if have := run(t.Context(), "/", "a\n", "sed", ":a;H;G;ba"); have.code == 0 || !strings.Contains(have.errors, "too large") {
		t.Errorf("%+v", have)
	}
}

func FuzzSedScript(f *testing.F) {
	for _, script := range []string{"s/a/b/g", "/a/,/b/{p;d}", "1~2!{N;P;D}", ":a;N;$!ba", "y/abc/xyz/", "a\\\ntext", `s,\(.\),\U&\1,w out`} {
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script string) {
		for _, d := range []dialect{reBasic, reExtended} {
			commands, err := parseSed(script, d)
			for _, cmd := range commands {
				if strings.IndexByte("btT{", cmd.name) >= 0 && (cmd.jump < -1 || cmd.jump >= len(commands)) {
					t.Errorf("jumps to %d of %d commands", cmd.jump, len(commands))
				}
			}
			if err != nil && err.Error() == "" {
				t.Error("an error without a text")
			}
		}
	})
}
