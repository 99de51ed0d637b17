// SPDX-License-Identifier: Apache-2.0

package text

import (
	"strings"
	"testing"
)

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
