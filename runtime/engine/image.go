// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
)

// imageFile holds what a module's memory begins with: its data, each piece where it
// belongs. It is mapped over the memory, copy on write, so that a guest holds only
// the pages that it changes. A module whose data cannot be laid out beforehand has
// none.
const imageFile = "memory"

// Gaps between pieces of data cost address space, and little else; but an image that
// is mostly gaps is not worth it.
const mostGaps = 1 << 20

// piece is data that a module has at an address.
type piece struct {
	at   uint64
	data []byte
}

// pieces returns the module's data, if all of it lies in its own memory's first
// pages at addresses that are constants, and nothing looks at it later. In any other
// case ok is false.
func pieces(sections []bytecode.Section, o *outline) (found []piece, ok bool) {
	if o.keepsData || len(o.memories) != 1 || !o.memories[0].own {
		return nil, false
	}
	room := o.memories[0].min * pageSize
	var total, end uint64
	for _, s := range sections {
		if s.ID != bytecode.Data {
			continue
		}
		r := bytecode.NewReader(s.Body)
		r.Vector(func() {
			p, constant := dataPiece(r)
			if !constant || p.at+uint64(len(p.data)) > room {
				r.Fail(errors.New("not in the memory from the start"))
				return
			}
			found = append(found, p)
			total, end = total+uint64(len(p.data)), max(end, p.at+uint64(len(p.data)))
		})
		if r.Err() != nil {
			return nil, false
		}
	}
	return found, total > 0 && end <= 2*total+mostGaps
}

// dataPiece reads a data segment; constant says that its address is one.
func dataPiece(r *bytecode.Reader) (p piece, constant bool) {
	const active, activeIn = 0, 2
	switch r.U32() {
	case active:
	case activeIn:
		r.U32() // the one memory there is
	default:
		return p, false
	}
	if bytecode.Op(r.Byte()) != bytecode.I32Const {
		return p, false
	}
	p.at = uint64(uint32(r.Signed(32)))
	if bytecode.Op(r.Byte()) != bytecode.End {
		return p, false
	}
	p.data = r.Take(uint64(r.U32()))
	return p, r.Err() == nil
}

// writeImage writes the image's file, with holes where nothing is.
func writeImage(dir string, found []piece) error {
	f, err := os.OpenFile(filepath.Join(dir, imageFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o444)
	if err != nil {
		return err
	}
	for _, p := range found { // a later piece may lie over an earlier one
		if _, err := f.WriteAt(p.data, int64(p.at)); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}

// image is an open image. It stays open as long as the process: each instance maps
// it.
type image struct {
	file *os.File
	size int
}

// openImage opens the image in dir; nil when there is none.
func openImage(dir string) (*image, error) {
	f, err := os.Open(filepath.Join(dir, imageFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &image{file: f, size: int(st.Size())}, nil
}

// layOver maps the image over the beginning of a memory that has nothing in it.
func (i *image) layOver(memory []byte) error {
	if i.size > len(memory) {
		return unix.ENOMEM
	}
	_, err := unix.MmapPtr(int(i.file.Fd()), 0, unsafe.Pointer(&memory[0]), uintptr(i.size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED)
	return err
}
