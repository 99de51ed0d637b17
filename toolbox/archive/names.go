// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// packedName is the name that a file gets in an archive: without what leads up from there, so that
// it lands below where it is unpacked. removed is what was taken away.
func packedName(name string) (packed, removed string) {
	kept := name
	for {
		before := kept
		kept = strings.TrimLeft(kept, "/")
		for _, up := range []string{"../", "./../"} {
			kept = strings.TrimPrefix(kept, up)
		}
		if i := strings.LastIndex("/"+kept+"/", "/../"); i >= 0 {
			kept = kept[min(len(kept), i+len("../")):]
		}
		if before == kept {
			break
		}
	}
	if kept == "" {
		return ".", name
	}
	return kept, name[:len(name)-len(kept)]
}

// target is where an entry is unpacked, below the directory: names that lead up and out of it are
// refused, a leading slash is left out. Empty: the entry is passed over, for its name has no more
// components than are to be stripped.
func (o *options) target(name string) (string, error) {
	parts := slices.DeleteFunc(strings.Split(name, "/"), func(part string) bool { return part == "" || part == "." })
	if slices.Contains(parts, "..") && !o.absolute {
		return "", fmt.Errorf("%s: member name contains '..'", quoteName(name))
	}
	root := ""
	if o.absolute && strings.HasPrefix(name, "/") {
		root = "/"
	}
	if o.strip > 0 {
		if len(parts) <= o.strip {
			return "", nil
		}
		parts, root = parts[o.strip:], ""
	}
	if len(parts) == 0 {
		return root + ".", nil
	}
	return root + strings.Join(parts, "/"), nil
}

// wanted says which operand an entry belongs to: one that is its name or a directory above it.
func (o *options) wanted(name string) (at int, found bool) {
	name = path.Clean(name)
	for i, operand := range o.operands {
		want := path.Clean(operand.name)
		if name == want || strings.HasPrefix(name, strings.TrimSuffix(want, "/")+"/") {
			return i, true
		}
	}
	return -1, len(o.operands) == 0
}

// excludes says whether a pattern of --exclude matches a name or a directory above it. A pattern may
// match from the beginning or from behind any slash; a star in it matches slashes too.
func (o *options) excludes(name string) bool {
	if len(o.exclude) == 0 {
		return false
	}
	name = path.Clean(name)
	for end := 0; end < len(name); {
		end++
		if end < len(name) && name[end] != '/' {
			continue
		}
		if slices.ContainsFunc(o.exclude, func(pattern string) bool { return matches(pattern, name[:end]) }) {
			return true
		}
	}
	return false
}

func matches(pattern, name string) bool {
	pattern = flatten(strings.TrimSuffix(pattern, "/"))
	for {
		if ok, err := path.Match(pattern, flatten(name)); ok && err == nil {
			return true
		}
		_, rest, more := strings.Cut(name, "/")
		if !more {
			return false
		}
		name = rest
	}
}

// flatten lets path.Match take slashes for any other character.
func flatten(s string) string { return strings.ReplaceAll(s, "/", "\x01") }

// maxPattern bounds a pattern of --exclude.
const maxPattern = 4096

func checkPattern(pattern string) error {
	if _, err := path.Match(pattern, ""); err != nil || len(pattern) > maxPattern {
		return fmt.Errorf("--exclude=%s: not a pattern", pattern)
	}
	return nil
}
