// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"slices"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// itemField is the number of the field that has the items, in the answers of CRI's
// lists, and the status, in those that have one.
const itemField protowire.Number = 1

// encodings keeps the items of a list in protobuf's encoding, so that an item is
// encoded once for each change of it, and not for each of those who ask every second.
// A T does not change: one that has is another.
type encodings[T any] struct {
	item func(*T) proto.Message // nil for what is not in the list

	mu    sync.Mutex
	list  []*T
	whole []byte // the items of list, one after the other
	parts map[*T][]byte
}

func newEncodings[T any](item func(*T) proto.Message) *encodings[T] {
	return &encodings[T]{item: item}
}

// answer gives an answer those items of list that match; all if matches is nil. They
// are fields to it that it does not know, encoded already: on the wire there is no
// difference.
func (e *encodings[T]) answer(to proto.Message, list []*T, matches func(*T) bool) error {
	whole, parts, err := e.encoded(list)
	if err != nil {
		return err
	}
	if matches != nil {
		whole = nil
		for _, one := range list {
			if matches(one) {
				whole = append(whole, parts[one]...)
			}
		}
	}
	to.ProtoReflect().SetUnknown(whole[:len(whole):len(whole)])
	return nil
}

// encoded returns the encoding of a list, and its parts. Neither changes after.
func (e *encodings[T]) encoded(list []*T) (whole []byte, parts map[*T][]byte, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !sameList(e.list, list) {
		err = e.renew(list)
	}
	return e.whole, e.parts, err
}

// sameList says whether two lists are one.
func sameList[T any](a, b []*T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// renew encodes what is new of a list.
func (e *encodings[T]) renew(list []*T) (err error) {
	whole, ends := make([]byte, 0, len(e.whole)+len(e.whole)/16), make([]int, len(list))
	for i, one := range list {
		if part, ok := e.parts[one]; ok {
			whole = append(whole, part...)
		} else if item := e.item(one); item != nil {
			if whole, err = appendItem(whole, item); err != nil {
				return err
			}
		}
		ends[i] = len(whole)
	}
	e.list, e.whole, e.parts = list, whole, make(map[*T][]byte, len(list))
	begin := 0
	for i, one := range list {
		e.parts[one] = whole[begin:ends[i]:ends[i]]
		begin = ends[i]
	}
	return nil
}

// appendItem appends a message as an item of a list.
func appendItem(to []byte, item proto.Message) ([]byte, error) {
	size := proto.Size(item)
	to = slices.Grow(to, size+16)
	to = protowire.AppendTag(to, itemField, protowire.BytesType)
	to = protowire.AppendVarint(to, uint64(size))
	return proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(to, item)
}
