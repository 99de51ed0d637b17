// SPDX-License-Identifier: Apache-2.0

package version

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheReleaseBuildNamesItsRelease builds a program as the release does: the
// name of the variable is part of how Wazelet is built.
func TestTheReleaseBuildNamesItsRelease(t *testing.T) {
	program := filepath.Join(t.TempDir(), "main.go")
	source := `package main
import "github.com/wazelet/wazelet/cmd/version"
func main() { print(version.String()) }
`
	if err := os.WriteFile(program, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	for flags, want := range map[string]string{
		"": "devel",
		"-X github.com/wazelet/wazelet/cmd/version.release=v1.2.3": "v1.2.3",
	} {
		out, err := exec.CommandContext(t.Context(), "go", "run", "-buildvcs=false", "-ldflags", flags, program).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if got := strings.TrimSpace(string(out)); got != want {
			t.Errorf("built with %q it says %q, want %q", flags, got, want)
		}
	}
}
