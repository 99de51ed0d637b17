// SPDX-License-Identifier: Apache-2.0

package config

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// With -update, the files that are made from the configuration's own
// documentation are written instead of compared.
var update = flag.Bool("update", false, "write docs/configuration.md and packaging/config.toml")

const (
	referencePath = "../docs/configuration.md"
	packagedPath  = "../packaging/config.toml"
	blockStart    = "<!-- keys: written by `go test ./config -update` -->\n"
	blockEnd      = "<!-- end of keys -->\n"
)

func TestEveryKeyIsDocumented(t *testing.T) {
	for _, k := range keys() {
		if !strings.HasSuffix(k.doc, ".") {
			t.Errorf("%s: its comment is %q, want sentences", k.path, k.doc)
		}
	}
}

func TestTheReferenceIsCurrent(t *testing.T) {
	page, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, foundStart := strings.Cut(string(page), blockStart)
	_, after, foundEnd := strings.Cut(rest, blockEnd)
	if !foundStart || !foundEnd {
		t.Fatalf("%s lacks the marks around the keys", referencePath)
	}
	compare(t, referencePath, before+blockStart+reference(t)+blockEnd+after)
}

func TestThePackagedFileIsTheDefault(t *testing.T) {
	text, err := Default().Dump()
	if err != nil {
		t.Fatal(err)
	}
	compare(t, packagedPath, string(text))
}

func TestTheExamplesOfTheReferenceAreRead(t *testing.T) {
	page, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	examples := strings.Split(string(page), "```toml\n")[1:]
	if len(examples) == 0 {
		t.Error("there are no examples")
	}
	for _, example := range examples {
		example, _, _ = strings.Cut(example, "```")
		if _, err := Read(strings.NewReader(example)); err != nil {
			t.Errorf("%v in the example\n%s", err, example)
		}
	}
}

// compare holds a file to its wanted content, or writes it.
func compare(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not current; run `go test ./config -update`", path)
	}
}

// reference is the list of keys as Markdown, one section per table.
func reference(t *testing.T) string {
	var out strings.Builder
	head := "| key | type | default | meaning |\n|---|---|---|---|\n"
	out.WriteString("### The file itself\n\n" + head)
	named := "" // the table with a name of the author's choice that is being written
	for i, k := range keys() {
		if k.table {
			fmt.Fprintf(&out, "\n### `[%s]`\n\n%s\n\n", k.path, k.doc)
			if !strings.HasPrefix(keys()[i+1].path, k.path+"."+anyName) { // else its own keys are names
				out.WriteString(head)
			}
			continue
		}
		if table := strings.TrimSuffix(k.path, "."+lastPart(k.path)); strings.HasSuffix(table, anyName) && table != named {
			named = table
			fmt.Fprintf(&out, "### `[%s]`\n\n%s", table, head)
		}
		meaning := k.doc
		if k.values != nil {
			meaning += " One of: `" + strings.Join(k.values, "`, `") + "`."
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", lastPart(k.path), k.form, defaultText(t, k), meaning)
	}
	return out.String()
}

// defaultText is the default of a key as it would be written in the file.
func defaultText(t *testing.T, k key) string {
	if k.path == "version" {
		return "none"
	}
	value := reflect.ValueOf(Default())
	for part := range strings.SplitSeq(k.path, ".") {
		if part == anyName || value.Kind() == reflect.Map {
			return "none"
		}
		for field, content := range value.Fields() {
			if field.Tag.Get("toml") == part {
				value = content
				break
			}
		}
	}
	text, err := toml.Marshal(map[string]any{"x": value.Interface()})
	if err != nil {
		t.Fatal(err)
	}
	return "`" + strings.TrimSpace(strings.TrimPrefix(string(text), "x = ")) + "`"
}
