// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// replay makes records, which are those of the files, what the journals left by an
// earlier daemon say, and has these brought into files. What a line cannot say is set
// aside; the value before it holds.
func (s *Store[T]) replay(names []string, records map[string]T) []Corrupt {
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(journalNumber(a), journalNumber(b)) })
	latest := map[string][]byte{}
	var bad []Corrupt
	for _, name := range names {
		bad = append(bad, s.replayOne(name, records, latest)...)
	}
	s.journal.adopt(names, latest)
	// Nobody waits for it: the values are known, and a full disk must not keep the
	// daemon from starting.
	s.journal.tryCheckpoint()
	return bad
}

func (s *Store[T]) replayOne(name string, records map[string]T, latest map[string][]byte) (bad []Corrupt) {
	data, err := readBounded(filepath.Join(s.dir, name), maxJournalSize)
	if err != nil { // or the checkpoint would remove it
		moved, moveErr := s.setAside(name)
		return []Corrupt{{File: moved, Err: errors.Join(err, moveErr)}}
	}
	number := 0
	for line := range bytes.Lines(data) {
		number++
		line, whole := bytes.CutSuffix(line, []byte{'\n'})
		if len(line) == 0 || bytes.HasPrefix(line, []byte(void)) {
			continue
		}
		id, err := s.replayLine(line, records, latest)
		switch {
		case err == nil:
		case !whole: // whoever wrote it was killed, and nobody was told that it is there
		case errors.Is(err, ErrNewerVersion): // a file of its own will be left for that release
			bad = append(bad, Corrupt{File: filepath.Join(s.dir, id+suffix), Err: err})
		default:
			if id == "" {
				id = name[len(tempPrefix):] + "." + strconv.Itoa(number)
			}
			moved, writeErr := s.keepAside(id+suffix, line)
			bad = append(bad, Corrupt{File: moved, Err: errors.Join(err, writeErr)})
		}
	}
	return bad
}

// replayLine returns the id that the line is about, as far as that is known.
func (s *Store[T]) replayLine(line []byte, records map[string]T, latest map[string][]byte) (id string, err error) {
	data, err := openLine(line)
	if err != nil {
		return "", err
	}
	var e envelope
	if err := json.Unmarshal(data, &e); err != nil {
		return "", err
	}
	if err := ValidateID(e.ID); err != nil {
		return "", err
	}
	if e.Removed {
		delete(records, e.ID)
		latest[e.ID] = nil
		return e.ID, nil
	}
	v, err := s.value(data, e.ID)
	switch {
	case err == nil:
		records[e.ID] = v
	case errors.Is(err, ErrNewerVersion):
		delete(records, e.ID)
	default:
		return e.ID, err
	}
	latest[e.ID] = append(bytes.Clone(data), '\n')
	return e.ID, err
}

// keepAside writes what cannot be read to dir/corrupt and returns where.
func (s *Store[T]) keepAside(name string, data []byte) (string, error) {
	path := filepath.Join(s.dir, corruptDir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return path, err
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return path, err
	}
	return path, errors.Join(syncFile(path), syncFile(filepath.Dir(path)))
}
