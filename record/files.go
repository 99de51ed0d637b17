// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"os"
)

// writeAll makes the files of records in dir what they should be: data, or absent where
// it is nil. When it returns nil they are so on the disk; after an error some are. place
// makes a file that is written that of the record, "" none.
func writeAll(dir string, records map[string][]byte, place func(id, temp string) error) (err error) {
	if len(records) == 0 {
		return nil
	}
	temps := make(map[string]string, len(records)) // by id
	defer func() {
		for _, temp := range temps {
			err = errors.Join(err, remove(temp))
		}
	}()
	for id, data := range records {
		if data == nil {
			continue
		}
		temp, err := writeTemp(dir, data)
		if err != nil {
			return err
		}
		temps[id] = temp
	}
	// All are written before the first is synced, which most file systems then do for
	// all of them.
	for _, temp := range temps {
		if err := syncFile(temp); err != nil {
			return err
		}
	}
	for id := range records {
		if err := place(id, temps[id]); err != nil {
			return err
		}
		delete(temps, id)
	}
	return syncFile(dir)
}

// writeTemp returns the name of a new file with data, "" after an error.
func writeTemp(dir string, data []byte) (name string, err error) {
	f, err := os.CreateTemp(dir, tempPrefix+"*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, remove(f.Name()))
	}
	return f.Name(), nil
}
