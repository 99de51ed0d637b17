// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// docs/images.md has every format, every sentence and every bound.
func TestDocumentation(t *testing.T) {
	raw, err := os.ReadFile("../docs/images.md")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Join(strings.Fields(string(raw)), " ")
	want := []string{
		mediaTypeWasmConfig, mediaTypeLegacyConfig, mediaTypeWasm, suffixWasm,
		fmt.Sprintf("at most %d MiB and %d entries", maxManifest>>20, maxEntries), fmt.Sprintf("at most %d deep", maxNesting),
		fmt.Sprintf("at most %d MiB, an image %d layers, a module %d MiB", maxConfig>>20, maxLayers, maxModule>>20),
		"in the order `" + strings.Join(wasmOS, "`, `") + "`",
	}
	for _, format := range []Format{FormatFiles, FormatWasm, FormatLegacy, FormatLayer, FormatArtifact} {
		want = append(want, "| `"+string(format)+"` |")
	}
	for _, f := range foreign {
		want = append(want, "| "+f.sentence+" |")
	}
	for _, text := range want {
		if !strings.Contains(page, text) {
			t.Errorf("docs/images.md lacks %q", text)
		}
	}
}
