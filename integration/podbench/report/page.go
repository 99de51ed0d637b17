// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/wazelet/wazelet/integration/podbench/result"
)

// What is between these lines of a page is the report's.
const (
	begin = "<!-- results: written by make bench -->\n"
	end   = "<!-- end of results -->\n"
)

// Page writes the results into a Markdown page, between its two marks, and the
// plots into a folder beside it that is named as the page.
func Page(page string, f *result.File) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%s: no place for results: it needs the lines %q and %q", page, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	var out bytes.Buffer
	out.WriteString(before + begin + "\n")
	Markdown(&out, f)
	folder := strings.TrimSuffix(page, filepath.Ext(page))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, p := range plots {
		svg, ok := p.draw(f)
		if !ok {
			continue
		}
		if err := os.WriteFile(filepath.Join(folder, p.file), svg, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&out, "\n![%s](%s/%s)\n", p.title, filepath.Base(folder), p.file)
	}
	out.WriteString("\n" + end + after)
	return os.WriteFile(page, out.Bytes(), 0o644)
}
