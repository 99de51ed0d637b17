// SPDX-License-Identifier: Apache-2.0

package guests

import (
	"strings"
	"testing"
)

func TestCodeBlock(t *testing.T) {
	const page = "# Page\n\n```c\nint x;\n\nint y;\n```\n\n```rust\nfn main() {}\n```\n\n```go\na\n```\n```go\nb\n```\n\n```zig\nopen\n"
	if block, err := codeBlock([]byte(page), "c"); err != nil || string(block) != "int x;\n\nint y;\n" {
		t.Errorf("got %q, %v", block, err)
	}
	for language, want := range map[string]string{"ada": "0 code blocks", "go": "2 code blocks", "zig": "no end"} {
		if block, err := codeBlock([]byte(page), language); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %q, %v", language, block, err)
		}
	}
}
