// SPDX-License-Identifier: Apache-2.0

package text

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/toolbox/command"
)

// TestFilters runs commands as POSIX describes them: arguments, what they read, what they write, and
// their exit code.
func TestFilters(t *testing.T) {
	for _, one := range []struct {
		line, in, out string
		code          int
	}{
		{"head -n 2", numbers, "one\ntwo\n", 0},
		{"head -2", numbers, "one\ntwo\n", 0},
		{"head -n -3", numbers, "one\ntwo\n", 0},
		{"head -c 5", numbers, "one\nt", 0},
		{"head -n x", "", "", 2},
		{"tail -n 2", numbers, "four\nfive\n", 0},
		{"tail -n +4", numbers, "four\nfive\n", 0},
		{"tail +4", numbers, "four\nfive\n", 0},
		{"tail -c 5", numbers, "five\n", 0},
		{"tail -c +20", numbers, "five\n", 0},
		{"grep o", numbers, "one\ntwo\nfour\n", 0},
		{"grep -c e", numbers, "3\n", 0},
		{"grep -nv o", numbers, "3:three\n5:five\n", 0},
		{"grep -x o", numbers, "", 1},
		{"grep -w two", numbers, "two\n", 0},
		{"grep -o ..e", numbers, "one\nhre\nive\n", 0},
		{"grep -q one", numbers, "", 0},
		{"grep -1 three", numbers, "two\nthree\nfour\n", 0},
		{"grep -A1 -e one -e four", numbers, "one\ntwo\n--\nfour\nfive\n", 0},
		{"grep -m1 -n o", numbers, "1:one\n", 0},
		{`grep one\|two`, numbers, "one\ntwo\n", 0},
		{`grep e\{2\}`, numbers, "three\n", 0},
		{"grep -E (one|two)$", numbers, "one\ntwo\n", 0},
		{"grep -F .", "a\n.\n", ".\n", 0},
		{"grep -P ^\\w{3}$", numbers, "one\ntwo\n", 0},
		{"grep --color=auto -i ONE", numbers, "one\n", 0},
		{"grep a", "a\x00b\n", "Binary file (standard input) matches\n", 0},
		{"grep [", "", "", 2},
		{"grep x none", "", "", 2},
		{"cut -d: -f2-", "a:b:c\nd\n", "b:c\nd\n", 0},
		{"cut -sd: -f3,1", "a:b:c\nd\n", "a:c\n", 0},
		{"cut -c2-3", "abcd\n", "bc\n", 0},
		{"cut -f0", "", "", 2},
		{"tr a-c A-C", "abcd\n", "ABCd\n", 0},
		{"tr -d [:digit:]", "a1b2\n", "ab\n", 0},
		{"tr -s a", "aab\n", "ab\n", 0},
		{`tr -cs [:alnum:] \n`, "a, b\n", "a\nb\n", 0},
		{"tr abc [x*]", "abcd\n", "xxxd\n", 0},
		{"tr -t abc x", "abc\n", "xbc\n", 0},
		{"tr c-a x", "", "", 2},
		{"tr [:none:] x", "", "", 2},
		{"sort", "b\na\nc\n", "a\nb\nc\n", 0},
		{"sort -rn", "9\n10\n", "10\n9\n", 0},
		{"sort -u", "a\na\n", "a\n", 0},
		{"sort -t: -k2,2n", "a:10\nb:9\n", "b:9\na:10\n", 0},
		{"sort -h", "1M\n2K\n", "2K\n1M\n", 0},
		{"sort -c", "b\na\n", "", 1},
		{"sort none", "", "", 2},
		{"uniq -c", "a\na\nb\n", "      2 a\n      1 b\n", 0},
		{"uniq -d", "a\na\nb\n", "a\n", 0},
		{"uniq -f1 -w1", "1 ab\n2 ac\n", "1 ab\n", 0},
		{"wc -l", numbers, "5\n", 0},
		{"nl -w2 -s:", "a\n\nb\n", " 1:a\n   \n 2:b\n", 0},
		{"tac", "a\nb", "ba\n", 0},
		{"rev", "abc\n", "cba\n", 0},
		{"paste -d, - -", numbers, "one,two\nthree,four\nfive,\n", 0},
		{"paste -sd+", "1\n2\n3\n", "1+2+3\n", 0},
		{"cat -A", "a\t\x01\xff\n", "a^I^AM-^?$\n", 0},
		{"cat -bs", "a\n\n\nb\n", "     1\ta\n\n     2\tb\n", 0},
		{"seq 3", "", "1\n2\n3\n", 0},
		{"seq -w 9 10", "", "09\n10\n", 0},
		{"seq -s, 1 .5 2", "", "1.0,1.5,2.0\n", 0},
		{"seq -f %03g 2 -1 1", "", "002\n001\n", 0},
		{"seq 1 0 2", "", "", 2},
		{"expr 1 + 2 * 3", "", "7\n", 0},
		{"expr 1 = 2", "", "0\n", 1},
		{"expr substr hello 2 3", "", "ell\n", 0},
		{"expr index hello l", "", "3\n", 0},
		{`expr hello : h\(.*\)`, "", "ello\n", 0},
		{"expr 1 / 0", "", "", 2},
		{"expr 9223372036854775807 + 1", "", "", 2},
		{"printf %s-%d\\n a 1 b 2", "", "a-1\nb-2\n", 0},
		{"printf %5.1f|%-4s|%04d 3.14 ab 7", "", "  3.1|ab  |0007", 0},
		{"printf %05s|%ld a 5", "", "    a|5", 0},
		{"printf %b a\\tb\\c x", "", "a\tb", 0},
		{"printf \\u00e9\\x41\\101", "", "éAA", 0},
		{"printf %d 12x", "", "12", 1},
		{"printf %k", "", "", 1},
		{"od -An -tx1", "ab", " 61 62\n", 0},
		{"od -j1 -c", "abc", "0000001   b   c\n0000003\n", 0},
		{"od -An -td2", "\xff\xff", "     -1\n", 0},
		{"hexdump -C", "ab", "00000000  61 62                                             |ab|\n00000002\n", 0},
		{"xxd", "abc\n", "00000000: 6162 630a                                abc.\n", 0},
		{"xxd -p", strings.Repeat("a", 31), strings.Repeat("61", 30) + "\n61\n", 0},
		{"xxd -p -s1 -l2", "abcd", "6263\n", 0},
		{"xxd -r", "00000000: 6162 630a                                abc.\n", "abc\n", 0},
		{"xxd -r -p", "61 62\n63\n", "abc", 0},
		{"xxd -r -p", "6x\n", "", 1},
		{"cksum", "abc", "1219131554 3\n", 0},
		{"md5sum", "abc", "900150983cd24fb0d6963f7d28e17f72  -\n", 0},
		{"base64 -w4", "abcdef", "YWJj\nZGVm\n", 0},
		{"base64 -d", "YWJj\nZGVm\n", "abcdef", 0},
	} {
		have := run(t.Context(), "/none", one.in, fields(one.line)...)
		if have.out != one.out || have.code != one.code || (have.code > 1) != (have.errors != "") && have.code != 1 {
			t.Errorf("%s: have %+v, want %d %q", one.line, have, one.code, one.out)
		}
	}
}

func TestFilesOfFilters(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"n": numbers, "m": strings.Replace(numbers, "three", "3", 1), "a": "a\nb\nd\n", "b": "b\nc\nd\n", "e": "end",
		"d/x": "1\n", "d/y": "2\n", "c/x": "1\n", "c/z": "2\n",
	} {
		if err := os.MkdirAll(dir+"/"+name[:strings.Index(name+"/", "/")*strings.Count(name, "/")], 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+"/"+name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, one := range []struct {
		line, out string
		code      int
	}{
		{"tail -n +4 n", "four\nfive\n", 0},
		{"tail -qn1 n a", "five\nd\n", 0},
		{"head -n1 a b", "==> a <==\na\n\n==> b <==\nb\n", 0},
		{"grep -l c a b", "b\n", 0},
		{"grep -rh 1 d c", "1\n1\n", 0},
		{"grep -r 2 d/", "d/y:2\n", 0},
		{"grep -r --include=y 2 d c", "d/y:2\n", 0},
		{"grep -f a n", "", 1},
		{"comm -12 a b", "b\nd\n", 0},
		{"comm a b", "a\n\t\tb\n\tc\n\t\td\n", 0},
		{"paste a b", "a\tb\nb\tc\nd\td\n", 0},
		{"cmp a b", "a b differ: byte 1, line 1\n", 1},
		{"cmp -l a b", "1 141 142\n3 142 143\n", 1},
		{"cmp -s a a", "", 0},
		{"cmp a none", "", 2},
		{"diff a a", "", 0},
		{"diff -q a b", "Files a and b differ\n", 1},
		{"diff a none", "", 2},
		{"diff -u n m", "--- n\n+++ m\n@@ -1,5 +1,5 @@\n one\n two\n-three\n+3\n four\n five\n", 1},
		{"diff -U0 n m", "--- n\n+++ m\n@@ -3 +3 @@\n-three\n+3\n", 1},
		{"diff -N e none", "--- e\n+++ none\n@@ -1 +0,0 @@\n-end\n\\ No newline at end of file\n", 1},
		{"diff -r d c", "Only in d: y\nOnly in c: z\n", 1},
		{"uniq a out", "", 0},
		{"wc -l a none", "3 a\n3 total\n", 1},
	} {
		have := run(t.Context(), dir, "", fields(one.line)...)
		if have.out != one.out || have.code != one.code {
			t.Errorf("%s: have %+v, want %d %q", one.line, have, one.code, one.out)
		}
	}
}

// TestEndless: what writes for ever ends with its context.
func TestEndless(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, line := range []string{"yes", "seq 1 1e300", "sed p"} {
		if have := run(ctx, "/", "", fields(line)...); have.out != "" {
			t.Errorf("%s wrote %d bytes", line, len(have.out))
		}
	}
}

func FuzzPrintf(f *testing.F) {
	for _, format := range []string{"%s %5.2f %-*d\\n", "%b%%\\x41\\u00e9", "%q%c%lld", "%.3s|%05s"} {
		f.Add(format, "12", "a\\tb")
	}
	f.Fuzz(func(t *testing.T, format, first, second string) {
		run(t.Context(), "/", "", "printf", format, first, second)
	})
}

func FuzzSets(f *testing.F) {
	for _, set := range []string{"a-z", "[:alpha:]", "[x*5]", "[=a=]", `\141-\172`, "[", "-"} {
		f.Add(set, "a-c")
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		for _, options := range []command.Options{{}, {"c": {""}, "s": {""}}, {"d": {""}}, {"t": {""}}} {
			m, err := newTranslation(options, []string{first, second})
			if (m == nil) == (err == nil) {
				t.Errorf("have %v and %v", m, err)
			}
		}
	})
}

func FuzzRanges(f *testing.F) {
	for _, list := range []string{"1", "1-3,5", "-2", "7-", "0", "3-1"} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) {
		all, err := parseRanges(list)
		for _, one := range all {
			if err == nil && (one[0] < 1 || one[1] != 0 && one[1] < one[0]) {
				t.Errorf("%q stands for %v", list, all)
			}
		}
	})
}

// FuzzExpression translates expressions; none may make the library panic.
func FuzzExpression(f *testing.F) {
	for _, expr := range []string{`\(a\|b\)*c\{2\}`, "[^]a-z[:digit:]]", `a**\<x\>`, "(a|b)+?", "[[.a.]]", `*^$`} {
		f.Add(expr)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		for _, d := range []dialect{reBasic, reExtended, reFixed, reNative} {
			if re, err := compile(expr, d); err == nil {
				re.MatchString("some text")
			}
		}
	})
}
