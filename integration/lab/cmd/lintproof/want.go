// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// want is a finding that must be made.
type want struct {
	name, linter, text string
	// The finding's line is between first and last.
	first, last int
}

var wantPattern = regexp.MustCompile(`// want( above| anywhere)? (\w+) "([^"]+)"`)

func parseWants(name, content string) []want {
	var wants []want
	lines := strings.Split(content, "\n")
	for i, line := range lines {
		m := wantPattern.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		w := want{name: name, linter: m[2], text: m[3], first: i + 1, last: i + 1}
		switch m[1] {
		case " above":
			w.first = 1
		case " anywhere":
			w.first, w.last = 1, len(lines)
		}
		wants = append(wants, w)
	}
	return wants
}

func (w want) in(issues []issue) bool {
	for _, i := range issues {
		if filepath.Base(filepath.Dir(i.Pos.Filename)) == w.name && i.FromLinter == w.linter &&
			strings.Contains(i.Text, w.text) && i.Pos.Line >= w.first && i.Pos.Line <= w.last {
			return true
		}
	}
	return false
}

func (w want) String() string {
	return fmt.Sprintf("%s, lines %d to %d: %s %q", w.name, w.first, w.last, w.linter, w.text)
}
