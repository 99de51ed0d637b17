// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strconv"
	"strings"
)

// journalNumber is the number in a journal's name, 0 if it is none.
func journalNumber(name string) uint64 {
	digits, ok := strings.CutPrefix(name, journalPrefix)
	if !ok {
		return 0
	}
	n, _ := strconv.ParseUint(digits, 10, 64)
	return n
}

// A line is the CRC-32C of what follows it, in eight digits, a space, and the envelope.
const crcDigits = 8

// void is in the place of the digits where a line no longer counts.
const void = "--------"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// journalLine is the line with an envelope, which has a newline at its end.
func journalLine(data []byte) []byte {
	sum := crc32.Checksum(data[:len(data)-1], castagnoli)
	return append(fmt.Appendf(make([]byte, 0, crcDigits+1+len(data)), "%08x ", sum), data...)
}

// removal is the envelope that says that a record is gone.
func removal(id string) []byte {
	return fmt.Appendf(nil, "{\"version\":1,\"id\":%q,\"removed\":true}\n", id)
}

// voidLines makes void, in place, the lines of a journal that are about a record.
func voidLines(path, id string) (err error) {
	data, err := readBounded(path, maxJournalSize)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Sync(), f.Close()) }()
	offset := int64(0)
	for line := range bytes.Lines(data) {
		var e envelope
		if text, err := openLine(bytes.TrimSuffix(line, []byte{'\n'})); err == nil && json.Unmarshal(text, &e) == nil && e.ID == id {
			if _, err := f.WriteAt([]byte(void), offset); err != nil {
				return err
			}
		}
		offset += int64(len(line))
	}
	return nil
}

// openLine returns the envelope in a line without its end.
func openLine(line []byte) ([]byte, error) {
	if len(line) < crcDigits+1 || line[crcDigits] != ' ' {
		return nil, errors.New("no line of a journal")
	}
	sum, err := strconv.ParseUint(string(line[:crcDigits]), 16, 32)
	if err != nil {
		return nil, err
	}
	data := line[crcDigits+1:]
	if got := crc32.Checksum(data, castagnoli); uint64(got) != sum {
		return nil, fmt.Errorf("checksum is %08x, the line says %08x", got, sum)
	}
	return data, nil
}
