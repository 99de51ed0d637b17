// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
)

// unknownKey is the finding for a key that does not exist.
func unknownKey(name string, line int) *Finding {
	found := &Finding{Line: line, Problem: fmt.Sprintf("unknown key %q", name)}
	if meant, ok := suggest(name); ok {
		found.Problem += fmt.Sprintf("; did you mean %q?", instance(meant.path, name))
		found.Doc = meant.doc
	}
	return found
}

// suggest finds the key that was probably meant: the nearest by spelling, or
// the only one of that name in some other table.
func suggest(name string) (key, bool) {
	best, distance := key{}, 1+len(name)/4
	for _, k := range keys() {
		if d := editDistance(name, instance(k.path, name)); d <= distance {
			best, distance = k, d-1
		}
	}
	if best.path != "" {
		return best, true
	}
	var namesakes []key
	for _, k := range keys() {
		if lastPart(k.path) == lastPart(name) {
			namesakes = append(namesakes, k)
		}
	}
	if len(namesakes) == 1 {
		return namesakes[0], true
	}
	return key{}, false
}

// instance puts the names that the file's author chose into a key's path.
func instance(pattern, path string) string {
	want, got := strings.Split(pattern, "."), strings.Split(path, ".")
	for i := range min(len(want), len(got)) {
		if want[i] == anyName {
			want[i] = got[i]
		}
	}
	return strings.Join(want, ".")
}

// maxSpelling bounds, in bytes, the names whose spelling is compared.
const maxSpelling = 128

// editDistance counts the single-byte insertions, deletions and replacements
// that make a into b (Levenshtein), in one row of memory.
func editDistance(a, b string) int {
	if len(a) > maxSpelling || len(b) > maxSpelling {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// lastPart is the key's own name, without its table's.
func lastPart(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
