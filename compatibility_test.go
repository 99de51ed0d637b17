// SPDX-License-Identifier: Apache-2.0

package wazelet_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const compatibility = "docs/compatibility.md"

var (
	testFunction = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	testName     = regexp.MustCompile("`(Test\\w+)`")
)

// TestCompatibilityIsShown holds each row of docs/compatibility.md to the tests it
// names: `| field | for a Wasm pod | shown by |`, the last with at least one.
func TestCompatibilityIsShown(t *testing.T) {
	page, err := os.ReadFile(compatibility)
	if err != nil {
		t.Fatal(err)
	}
	exists := testNames(t)
	rows := 0
	for n, line := range strings.Split(string(page), "\n") {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") || strings.HasSuffix(line, "| shown by |") {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 3 {
			t.Errorf("%s:%d: %d cells, want 3", compatibility, n+1, len(cells))
			continue
		}
		named := testName.FindAllStringSubmatch(cells[2], -1)
		if len(named) == 0 || testName.ReplaceAllString(cells[2], "") != strings.Repeat(" ", len(named)+1) {
			t.Errorf("%s:%d: shown by %q, want the names of tests", compatibility, n+1, cells[2])
		}
		for _, name := range named {
			if !exists[name[1]] {
				t.Errorf("%s:%d: there is no %s", compatibility, n+1, name[1])
			}
		}
	}
	if rows == 0 {
		t.Errorf("%s has no rows", compatibility)
	}
}

// testNames are the test functions of the repository.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		for _, found := range testFunction.FindAllStringSubmatch(string(source), -1) {
			names[found[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
