// SPDX-License-Identifier: Apache-2.0

package text

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/toolbox/command"
)

func FuzzSed(f *testing.F) {
	for _, seed := range []string{"s/a/b/g", "1,3p;$d", "/x/,+2{s/\\(a\\)/\\1/;p}", "y/abc/xyz/", ":a;s/x/y/;ba", "1i\\\ntext", "$!N", "2q3"} {
		f.Add(seed, "abc\nx\nlast")
	}
	f.Fuzz(func(t *testing.T, script, input string) {
		var out bytes.Buffer
		c := &command.Call{Name: "sed", Args: []string{"-e", script}, Stdin: strings.NewReader(input), Stdout: &limited{w: &out}, Stderr: io.Discard}
		command.Guard(func() int { return sed(context.Background(), c) })
	})
}

// limited ends a command that writes too much.
type limited struct {
	w *bytes.Buffer
}

func (l *limited) Write(b []byte) (int, error) {
	if l.w.Len() > 1<<20 {
		command.BreakPipe()
	}
	return l.w.Write(b)
}

func FuzzPrintf(f *testing.F) {
	for _, seed := range []string{"%s %d\\n", "%5.3f|%-*s", "%b%%%c\\0101", "%q%x%o", "%"} {
		f.Add(seed, "arg", "12")
	}
	f.Fuzz(func(t *testing.T, format, a, b string) {
		var out bytes.Buffer
		c := &command.Call{Name: "printf", Args: []string{"--", format, a, b}, Stdout: &out, Stderr: io.Discard}
		printf(context.Background(), c)
		if strings.Contains(out.String(), "%!") && !strings.Contains(format+a+b, "!") {
			t.Errorf("%q %q %q: %q", format, a, b, out.String())
		}
	})
}

func FuzzRegularExpression(f *testing.F) {
	for _, seed := range []string{`a\(b\)*[[:alpha:]]`, `^*a$b\{1,2\}`, `[]a]`, `[^]\]`, `a|b(c`} {
		f.Add(seed, "abc")
	}
	f.Fuzz(func(t *testing.T, expr, text string) {
		for _, d := range []dialect{reBasic, reExtended, reFixed} {
			re, err := compile(expr, d)
			if err == nil && d == reFixed && !re.MatchString(expr) && !strings.Contains(expr, "\xff") && isText(expr) {
				t.Errorf("%q does not match itself", expr)
			}
			if err == nil {
				re.MatchString(text)
			}
		}
	})
}

func isText(s string) bool { return strings.ToValidUTF8(s, "") == s }
