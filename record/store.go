// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	suffix     = ".json"
	tempPrefix = "_tmp-" // '_' is in no id
	corruptDir = "corrupt"
)

// Migration turns the body of a record into that of the next version.
type Migration func(json.RawMessage) (json.RawMessage, error)

// Store keeps records of type T in a directory, versioned. Calls for different ids may
// run at once; the caller orders those for one id. It is to be closed.
type Store[T any] struct {
	dir        string
	version    int
	migrations []Migration
	journal    journal
}

// Corrupt is a file that Load could not read, and why. Err wraps
// ErrNewerVersion when the file is sound but for a later release.
type Corrupt struct {
	File string // where the file is now
	Err  error
}

// Open returns the store in dir, which it creates with mode 0700. version is
// what T is now, from 1; migrations[i] brings a record from version i+1 to
// i+2, so there is one less of them than versions.
func Open[T any](dir string, version int, migrations ...Migration) (*Store[T], error) {
	if version < 1 || len(migrations) != version-1 {
		return nil, fmt.Errorf("records in %s: version %d with %d migrations", dir, version, len(migrations))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("records in %s: %w", dir, err)
	}
	return &Store[T]{dir: dir, version: version, migrations: migrations, journal: journal{
		dir: dir, syncer: syncer{dir: dir}, latest: map[string][]byte{},
	}}, nil
}

// Put writes v under id. When it returns nil, the next daemon has it, and soon after
// it is on the disk; see Sync. When it fails, the former one is still there, or none. The
// error may be that of an earlier record that could not be brought to the disk.
func (s *Store[T]) Put(id string, v T) error {
	if err := ValidateID(id); err != nil {
		return err
	}
	data, err := encode(s.version, id, v)
	if err != nil {
		return fmt.Errorf("record %s: %w", id, err)
	}
	if err := s.journal.put(id, data); err != nil {
		return fmt.Errorf("record %s: %w", id, err)
	}
	return nil
}

// Sync returns when all records are on the disk, and would be there after a lost
// power supply. What is not synced by name is so after a fraction of a second.
func (s *Store[T]) Sync() error {
	if err := s.journal.syncer.flush(); err != nil {
		return fmt.Errorf("records in %s: sync: %w", s.dir, err)
	}
	return nil
}

// Close brings all records to the disk, each in a file of its own. Nothing can be put
// or removed after it.
func (s *Store[T]) Close() error {
	if err := s.journal.close(); err != nil {
		return fmt.Errorf("records in %s: close: %w", s.dir, err)
	}
	return nil
}

// Remove removes the record of id, also where the disk is full. One that is absent is
// no error.
func (s *Store[T]) Remove(id string) error {
	if err := ValidateID(id); err != nil {
		return err
	}
	if err := s.journal.remove(id); err != nil {
		return fmt.Errorf("record %s: %w", id, err)
	}
	return nil
}

// Load reads all records by id, removes what interrupted Puts left, and moves
// what it cannot read into dir/corrupt. It is to be called once, before the first
// Put. The error tells that the directory itself cannot be used.
func (s *Store[T]) Load() (map[string]T, []Corrupt, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, nil, fmt.Errorf("records in %s: %w", s.dir, err)
	}
	records := make(map[string]T, len(entries))
	var bad []Corrupt
	var journals []string
	for _, entry := range entries {
		name := entry.Name()
		path := filepath.Join(s.dir, name)
		switch {
		case name == corruptDir && entry.IsDir():
			continue
		case journalNumber(name) != 0 && entry.Type().IsRegular():
			journals = append(journals, name)
			continue
		case strings.HasPrefix(name, tempPrefix) && entry.Type().IsRegular():
			if err := remove(path); err != nil {
				return nil, nil, fmt.Errorf("records in %s: %w", s.dir, err)
			}
			continue
		}
		id, v, err := s.read(entry)
		switch {
		case err == nil:
			records[id] = v
		case errors.Is(err, ErrNewerVersion):
			bad = append(bad, Corrupt{File: path, Err: err})
		default:
			moved, moveErr := s.setAside(name)
			bad = append(bad, Corrupt{File: moved, Err: errors.Join(err, moveErr)})
		}
	}
	return records, append(bad, s.replay(journals, records)...), nil
}

func (s *Store[T]) read(entry fs.DirEntry) (id string, v T, err error) {
	id, ok := strings.CutSuffix(entry.Name(), suffix)
	if !ok || !entry.Type().IsRegular() {
		return "", v, errors.New("not a record file")
	}
	if err := ValidateID(id); err != nil {
		return "", v, err
	}
	data, err := readBounded(filepath.Join(s.dir, entry.Name()), maxFileSize)
	if err != nil {
		return "", v, err
	}
	v, err = s.value(data, id)
	return id, v, err
}

// value is what an envelope for id holds, in the current version.
func (s *Store[T]) value(data []byte, id string) (v T, err error) {
	body, err := decode(data, id, s.version, s.migrations)
	if err == nil {
		err = json.Unmarshal(body, &v)
	}
	return v, err
}

// setAside moves the file into dir/corrupt and returns where it is now. An
// older file there of the same name gives way to it.
func (s *Store[T]) setAside(name string) (string, error) {
	from, to := filepath.Join(s.dir, name), filepath.Join(s.dir, corruptDir, name)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return from, err
	}
	if err := os.RemoveAll(to); err != nil {
		return from, err
	}
	if err := os.Rename(from, to); err != nil {
		return from, err
	}
	return to, syncFile(s.dir)
}

func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("more than %d bytes", most)
	}
	return data, err
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
