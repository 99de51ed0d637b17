// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/containerd/log"
)

// schedule has a checkpoint come, soon if the journal is long.
func (j *journal) schedule() {
	if j.timer == nil {
		j.timer = time.AfterFunc(checkpointDelay, j.tryCheckpoint)
	}
	if j.size >= checkpointSize && !j.hurried {
		j.hurried = true
		j.timer.Reset(0)
	}
}

// tryCheckpoint makes a checkpoint for nobody who waits. One that fails, for instance on a
// full disk, takes nothing: what is in the journal is as safe there.
func (j *journal) tryCheckpoint() {
	if err := j.checkpoint(); err != nil {
		log.L.WithError(err).WithField("folder", j.dir).Warn("records stay in their journal for now")
	}
}

// checkpoint brings all that is in journals into files, which are then on the disk, and
// removes the journals. After an error they stay, for the next one.
func (j *journal) checkpoint() error {
	j.checkpointing.Lock()
	defer j.checkpointing.Unlock()
	j.mu.Lock()
	latest, names, file := j.latest, slices.Clone(j.names), j.file
	j.latest, j.file, j.hurried = map[string][]byte{}, nil, false
	if j.timer != nil {
		j.timer.Stop()
		j.timer = nil
	}
	j.mu.Unlock()
	var err error
	if file != nil {
		err = file.Close()
	}
	err = errors.Join(err, writeAll(j.dir, latest, j.place))
	for _, name := range names {
		// The oldest first: one that stayed alone would bring back old values.
		if err == nil {
			err = j.drop(name)
		}
	}
	if err == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	maps.Copy(latest, j.latest) // what came meanwhile is newer
	j.latest = latest
	if !j.closed {
		j.schedule()
	}
	return err
}

// drop removes the oldest journal.
func (j *journal) drop(name string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := remove(filepath.Join(j.dir, name)); err != nil {
		return err
	}
	j.names = j.names[1:]
	return nil
}

// place makes temp the file of the record, or none if that is "". What was put since may not be on
// the disk yet, so a newer value is no reason to leave an old one there; a removal is.
func (j *journal) place(id, temp string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	path := filepath.Join(j.dir, id+suffix)
	if temp == "" {
		return remove(path)
	}
	if data, newer := j.latest[id]; newer && data == nil {
		return remove(temp)
	}
	return os.Rename(temp, path)
}

// close makes a last checkpoint. What could not be brought into files stays in the journal.
func (j *journal) close() error {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	return errors.Join(j.checkpoint(), j.syncer.flush())
}

// adopt has the next checkpoint bring in what an earlier daemon's journals hold.
func (j *journal) adopt(names []string, latest map[string][]byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	maps.Copy(latest, j.latest)
	j.latest = latest
	j.names = append(slices.Clone(names), j.names...)
	for _, name := range names {
		j.number = max(j.number, journalNumber(name))
	}
}
