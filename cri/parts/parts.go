// SPDX-License-Identifier: Apache-2.0

// Package parts sends lists in parts. A list that is streamed is the same list as the
// unary one, made by the same code: it has no bound but the node's own, where a list in
// one message ends at 16 MiB.
package parts

import "google.golang.org/protobuf/proto"

const (
	// Most bounds the items of one part.
	Most = 1000
	// MostBytes bounds their size. The largest single item is a little over 2 MiB, so
	// that a part stays far below a message's bound.
	MostBytes = 4 << 20
)

// Send sends items in parts. An empty list is an empty stream.
func Send[T proto.Message](items []T, send func([]T) error) error {
	first, size := 0, 0
	for i, item := range items {
		next := proto.Size(item)
		if i > first && (i-first == Most || size+next > MostBytes) {
			if err := send(items[first:i]); err != nil {
				return err
			}
			first, size = i, 0
		}
		size += next
	}
	if first == len(items) {
		return nil
	}
	return send(items[first:])
}
