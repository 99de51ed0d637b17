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

// end is the line of the page that each section ends before.
const end = "<!-- end of results -->\n"

// Page writes the results into a Markdown page, between the two marks of their section,
// and the plots into a folder beside it that is named as the page.
func Page(page string, f *result.File) error {
	var out bytes.Buffer
	Markdown(&out, f)
	s := sectionOf(f)
	return Section(page, s.begin, end, out.Bytes(), f, s.plots...)
}

// Section puts text between two lines of a Markdown page, and after it those of the
// pictures of which something was measured; their files go into a folder beside the
// page that is named as it is.
func Section(page, begin, end string, text []byte, f *result.File, pictures ...Drawing) error {
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(old), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%s: no place for results: it needs the lines %q and %q", page, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s%s\n%s", before, begin, text)
	folder := strings.TrimSuffix(page, filepath.Ext(page))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, p := range pictures {
		svg, ok := p.Draw(f)
		if !ok {
			continue
		}
		if err := os.WriteFile(filepath.Join(folder, p.File), svg, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&out, "\n![%s](%s/%s)\n", p.Title, filepath.Base(folder), p.File)
	}
	out.WriteString("\n" + end + after)
	return os.WriteFile(page, out.Bytes(), 0o644)
}
