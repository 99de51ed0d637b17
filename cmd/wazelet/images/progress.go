// SPDX-License-Identifier: Apache-2.0

package images

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/wazelet/wazelet/imageservice/content"
)

// Bytes writes a number of bytes for a person.
func Bytes(n uint64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, prefixes := float64(n)/unit, "kMGTPE"
	for value >= unit && len(prefixes) > 1 {
		value, prefixes = value/unit, prefixes[1:]
	}
	return fmt.Sprintf("%.1f %cB", value, prefixes[0])
}

// Progress shows on a terminal what arrives in the store under root, until the
// returned function is called. Anything but a terminal is told nothing.
func Progress(w io.Writer, root, what string) (stop func()) {
	terminal, ok := w.(*os.File)
	if !ok {
		return func() {}
	}
	if st, err := terminal.Stat(); err != nil || st.Mode()&os.ModeCharDevice == 0 {
		return func() {}
	}
	before, began := content.OnDisk(root), time.Now()
	tick := time.NewTicker(time.Second / 2)
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				arrived := max(content.OnDisk(root)-before, 0)
				fmt.Fprintf(terminal, "\r%s: %s in %s\x1b[K", what, Bytes(uint64(arrived)), time.Since(began).Round(time.Second))
			case <-ended:
				fmt.Fprint(terminal, "\r\x1b[K")
				return
			}
		}
	}()
	return func() { close(ended); <-done }
}
