// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxFileSize bounds what is read back. The largest honest record holds a
// pod's annotations, which the API server bounds to 256 KiB.
const maxFileSize = 4 << 20

// ErrNewerVersion says that a later release wrote the record. The file is left
// where it is, for that release to find again.
var ErrNewerVersion = errors.New("written by a newer version")

// envelope is the file's content. The checksum covers the bytes of Record. Removed is
// true in a journal's line alone, which has no more then.
type envelope struct {
	Version  int             `json:"version"`
	ID       string          `json:"id"`
	Removed  bool            `json:"removed,omitempty"`
	Checksum string          `json:"checksum"`
	Record   json.RawMessage `json:"record"`
}

func encode(version int, id string, v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	// As json.Marshal would write an envelope, which would look through the body again.
	// An id has no character to escape.
	const around = 160
	data := fmt.Appendf(make([]byte, 0, around+len(id)+len(body)), `{"version":%d,"id":"%s","checksum":"%s","record":`, version, id, checksum(body))
	data = append(append(data, body...), '}', '\n')
	if len(data) > maxFileSize {
		return nil, fmt.Errorf("%d bytes exceed the bound of %d", len(data), maxFileSize)
	}
	return data, nil
}

// decode checks everything around the record and returns its own bytes in the
// current version. An error other than ErrNewerVersion means the file is bad.
func decode(data []byte, id string, version int, migrations []Migration) (json.RawMessage, error) {
	var e envelope
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&e); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("data after the record")
	}
	// The version comes first: a newer release may have changed the rest.
	if e.Version > version {
		return nil, fmt.Errorf("version %d, this release reads up to %d: %w", e.Version, version, ErrNewerVersion)
	}
	if e.Version < 1 {
		return nil, fmt.Errorf("version %d", e.Version)
	}
	if e.ID != id {
		return nil, fmt.Errorf("record of %q under another name", e.ID)
	}
	if sum := checksum(e.Record); e.Checksum != sum {
		return nil, fmt.Errorf("checksum is %s, the file says %q", sum, e.Checksum)
	}
	body := e.Record
	for from := e.Version; from < version; from++ {
		var err error
		if body, err = migrations[from-1](body); err != nil {
			return nil, fmt.Errorf("from version %d to %d: %w", from, from+1, err)
		}
	}
	return body, nil
}

func checksum(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:])
}
