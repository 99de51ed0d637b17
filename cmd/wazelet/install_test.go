// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestTheInstallersDocumentation holds docs/install.md to the commands' flags, and the
// commands that it shows to what can be parsed.
func TestTheInstallersDocumentation(t *testing.T) {
	content, err := os.ReadFile("../../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(content)
	documented := map[string]bool{"config": true}
	for _, row := range regexp.MustCompile("(?m)^\\| `--([a-z-]+)`").FindAllStringSubmatch(page, -1) {
		documented[row[1]] = true
	}
	known := map[string]bool{"config": true}
	for _, name := range []string{"install", "uninstall"} {
		command, _, err := newRoot(nil).Find([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		command.Flags().VisitAll(func(f *pflag.Flag) {
			known[f.Name] = true
			isFleets := strings.HasPrefix(f.Name, "fleet") // the chart's own
			if f.Name != "help" && !isFleets && !documented[f.Name] {
				t.Errorf("--%s of `wazelet %s` is not documented", f.Name, name)
			}
		})
	}
	for name := range documented {
		if !known[name] {
			t.Errorf("--%s is documented and does not exist", name)
		}
	}
	for _, line := range regexp.MustCompile("(?m)^wazelet [^#\n]*").FindAllString(page, -1) {
		args := strings.Fields(line)[1:]
		command, rest, err := newRoot(args).Find(args)
		if err == nil {
			err = command.ParseFlags(rest)
		}
		if err != nil || command.Name() != args[0] {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestInstallersArgumentsAreChecked(t *testing.T) {
	for _, args := range [][]string{{"install", "extra"}, {"uninstall", "--no-such-flag"}} {
		if got := wazelet(t, args...); got.code != exitUsage {
			t.Errorf("%v: %+v", args, got)
		}
	}
}
