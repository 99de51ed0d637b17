// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"fmt"
	"strings"
	"testing"
)

// The kubelet asks for an image twice per container and lists all of them often; neither may cost a read of the disk.
func BenchmarkGet(b *testing.B) {
	x := newIndex()
	var last string
	for i := range 200 {
		last = fmt.Sprintf("registry.example/team/app:%d", i)
		id := fmt.Sprintf("sha256:%064x", i)
		x.put(Image{ID: id, Kind: KindFiles, Env: []string{"A=b"}}, last, "registry.example/team/app@"+id)
	}
	for _, ref := range []string{last, "sha256:" + strings.Repeat("0", 64)} {
		b.Run(ref[:6], func(b *testing.B) {
			for b.Loop() {
				if _, err := x.find(ref); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			if len(x.list()) != 200 {
				b.Fatal("images are missing")
			}
		}
	})
}
