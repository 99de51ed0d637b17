// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"slices"
)

// entryMagic begins an entry of wazero's cache; its version, with its length before it,
// comes next (wazero's internal/engine/wazevo/engine_cache.go).
const entryMagic = "WAZEVO"

// placeholderCode is machine code that nobody runs: it is replaced before the module
// is. On every machine zeros are valid enough not to be looked at.
var placeholderCode = make([]byte, 16)

// hollow replaces an entry of wazero's cache by one that is whole and has no functions.
// The version stays as wazero wrote it.
func hollow(name string) error {
	raw, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	const head = len(entryMagic) + 1
	if len(raw) < head || string(raw[:len(entryMagic)]) != entryMagic || len(raw) < head+int(raw[head-1]) {
		return errors.New("compiled code: not an entry of wazero's cache")
	}
	entry := slices.Clone(raw[:head+int(raw[head-1])])
	entry = binary.LittleEndian.AppendUint32(entry, 0) // functions
	entry = binary.LittleEndian.AppendUint64(entry, uint64(len(placeholderCode)))
	entry = append(entry, placeholderCode...)
	entry = binary.LittleEndian.AppendUint32(entry, crc32.Checksum(placeholderCode, crc32.MakeTable(crc32.Castagnoli)))
	entry = append(entry, 0)                           // no line numbers
	entry = binary.LittleEndian.AppendUint32(entry, 0) // no catch clauses: see features
	if err := os.Remove(name); err != nil {
		return err
	}
	return os.WriteFile(name, entry, 0o444)
}
