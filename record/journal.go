// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

const (
	// journalPrefix begins as a temporary file's name does: a release that knows no
	// journals takes one for such a file and removes it, and so does not leave it to
	// bring back old values after it.
	journalPrefix = tempPrefix + "journal-"
	// checkpointDelay is how long a record may be in the journal alone. Most records
	// of a pod are replaced, or removed, within it.
	checkpointDelay = 5 * time.Second
	// checkpointSize is from how many bytes on a journal is not waited with.
	checkpointSize = 1 << 20
	// maxJournalSize bounds what is read back. A journal grows beyond checkpointSize
	// only by what is put during one checkpoint, and by retries on a full disk.
	maxJournalSize = 64 << 20
)

// journal takes what is put and removed, in that order, a line each, so that a
// change costs one write to an open file. A checkpoint brings it into the files
// that it is for.
type journal struct {
	dir    string
	syncer syncer

	// checkpointing is held by the one checkpoint at a time.
	checkpointing sync.Mutex

	mu      sync.Mutex
	file    *os.File // nil: the next append begins a new one
	number  uint64   // of the last one begun
	size    int64
	torn    bool              // the last line may lack its end
	hurried bool              // a checkpoint was asked for before its time
	names   []string          // the journals that latest is in, the oldest first
	latest  map[string][]byte // what is not in files yet; nil for what is removed
	timer   *time.Timer       // of the next checkpoint; nil if there is nothing for it
	closed  bool
}

// put writes data, an envelope. What went wrong behind the back of an earlier caller is its
// error too, and then nothing is written.
func (j *journal) put(id string, data []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.syncer.told(); err != nil {
		return err
	}
	if err := j.append(journalLine(data)); err != nil {
		return err
	}
	j.latest[id] = data
	j.schedule()
	return nil
}

// remove takes the record away, for which no room on the disk is needed.
func (j *journal) remove(id string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return j.append(nil)
	}
	if err := j.append(journalLine(removal(id))); err != nil {
		if unsaid := j.unsay(id); unsaid != nil {
			return errors.Join(err, unsaid)
		}
	}
	j.latest[id] = nil
	j.schedule()
	// A file of something that is gone would be taken for a leak.
	return remove(filepath.Join(j.dir, id+suffix))
}

// append writes a line, which is synced soon.
func (j *journal) append(line []byte) error {
	if j.closed {
		return fmt.Errorf("records in %s: %w", j.dir, os.ErrClosed)
	}
	if err := j.begin(); err != nil {
		return err
	}
	if j.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := j.file.Write(line)
	j.size += int64(n)
	j.torn = err != nil && (j.torn || n > 0)
	if err == nil {
		j.syncer.note(filepath.Base(j.file.Name()))
	}
	return err
}

// unsay makes void what the journals say of a record.
func (j *journal) unsay(id string) error {
	var errs []error
	for _, name := range j.names {
		errs = append(errs, voidLines(filepath.Join(j.dir, name), id))
	}
	return errors.Join(errs...)
}

// begin opens a journal if none is.
func (j *journal) begin() error {
	if j.file != nil {
		return nil
	}
	name := journalPrefix + strconv.FormatUint(j.number+1, 10)
	f, err := os.OpenFile(filepath.Join(j.dir, name), os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	j.file, j.size, j.torn = f, 0, false
	j.number++
	j.names = append(j.names, name)
	return nil
}
