// SPDX-License-Identifier: Apache-2.0

package images

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/runtime/worker/terminal"
)

// A terminal is shown what has arrived; anything else is not.
func TestProgress(t *testing.T) {
	root := t.TempDir()
	blobs := filepath.Join(root, "content", "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name string, size int) {
		if err := os.WriteFile(filepath.Join(blobs, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("before", 5000)
	master, slave, err := terminal.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	stop := Progress(slave, root, "an image")
	write("arrived", 1500)
	shown := bufio.NewReader(master)
	for {
		line, err := shown.ReadString('K') // each text is erased to the end of its line
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, "an image: 1.5 kB in ") {
			break
		}
	}
	stop()
	var text bytes.Buffer
	Progress(&text, root, "an image")()
	if text.Len() > 0 {
		t.Errorf("no terminal was told %q", text.String())
	}
}
