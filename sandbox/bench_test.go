// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"testing"
)

// BenchmarkPluginLife is the whole life of a pod without containers, on the
// node's network and on the bridge.
func BenchmarkPluginLife(b *testing.B) {
	for name, config := range map[string]func(string) Config{"node": nodeConfig, "bridge": podConfig} {
		b.Run(name, func(b *testing.B) {
			c := newPluginNode(b).start()
			for i := 0; b.Loop(); i++ {
				sb := create(b, c, config(fmt.Sprintf("pod%d", i)))
				if err := c.Remove(b.Context(), sb.ID); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
