// SPDX-License-Identifier: Apache-2.0

package install

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Names beside a file: of its next content until it is put in place, and of what
// somebody else had there.
const (
	stagedSuffix   = ".wazelet-new"
	previousSuffix = ".wazelet-old"
	replacedSuffix = ".before-wazelet"
)

// Item is a file or a symbolic link that is installed.
type Item struct {
	Path string      // on the node
	Mode fs.FileMode // of a file
	// One of these is its content: bytes, a file here, or the target of a link.
	Content []byte
	Source  string
	Link    string
}

// digest is the SHA-256 of what is at a path here: of a file's bytes, or of a link's
// target after "link:". It is fs.ErrNotExist when there is nothing.
func digest(path string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		io.WriteString(h, "link:"+target) //nolint:errcheck // a hash takes everything
	case info.Mode().IsRegular():
		file, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer file.Close()
		if _, err := io.Copy(h, file); err != nil {
			return "", err
		}
	default:
		return "", fmt.Errorf("%s is no file: %w", path, fs.ErrInvalid)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// change is an item on its way to its place. It can be taken back until it is settled.
type change struct {
	host Host
	item Item
	keep bool // what is replaced is somebody else's: it waits until Wazelet is taken out

	place string // here
	state changeState
	had   bool // something was replaced
}

type changeState int

const (
	untouched changeState = iota
	staged
	committed
)

// stage writes the item beside its place, with the directories above it, and gives its
// digest. Nothing is in force yet. made are the directories that were not there, an
// upper one first, as paths of the node's.
func (c *change) stage() (sum string, made []string, err error) {
	made, err = c.host.makeDirs(filepath.Dir(c.item.Path))
	if err != nil {
		return "", made, err
	}
	if c.place, err = c.host.place(c.item.Path); err != nil {
		return "", made, err
	}
	next := c.place + stagedSuffix
	// What an installer that was killed has left is not what is to be brought back.
	if err := errors.Join(removeIfThere(next), removeIfThere(c.place+previousSuffix)); err != nil {
		return "", made, err
	}
	c.state = staged
	if c.item.Link != "" {
		err = os.Symlink(c.item.Link, next)
	} else {
		err = write(next, c.item)
	}
	if err != nil {
		return "", made, err
	}
	sum, err = digest(next)
	return sum, made, err
}

// commit puts the item in its place, in one step. A running program keeps its old file.
func (c *change) commit() error {
	// A second name for what is there, so that the place is never empty.
	err := os.Link(c.place, c.previous())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	c.had = err == nil
	if err := os.Rename(c.place+stagedSuffix, c.place); err != nil {
		return err
	}
	c.state = committed
	return syncDir(filepath.Dir(c.place))
}

// previous is where what was replaced is.
func (c *change) previous() string {
	if c.keep {
		return c.place + replacedSuffix
	}
	return c.place + previousSuffix
}

// restore takes the change back.
func (c *change) restore() (err error) {
	switch c.state {
	case staged:
		err = removeIfThere(c.place + stagedSuffix)
		if c.had {
			err = errors.Join(err, removeIfThere(c.previous()))
		}
	case committed:
		if c.had {
			err = os.Rename(c.previous(), c.place)
		} else {
			err = removeIfThere(c.place)
		}
	}
	if err == nil {
		c.state = untouched
	}
	return err
}

// settle lets go what was replaced and nobody keeps.
func (c *change) settle() error {
	if c.state != committed || c.keep {
		return nil
	}
	return removeIfThere(c.previous())
}

// makeDirs makes a directory of the node's and those above it.
func (h Host) makeDirs(dir string) (made []string, err error) {
	var missing []string
	for at := dir; !h.Exists(at) && at != filepath.Dir(at); at = filepath.Dir(at) {
		missing = append(missing, at)
	}
	for i := len(missing) - 1; i >= 0; i-- {
		place, err := h.place(missing[i])
		if err != nil {
			return made, err
		}
		if err := os.Mkdir(place, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return made, err
		}
		made = append(made, missing[i])
	}
	return made, nil
}

// write makes a file that is whole and on the disk when it returns.
func write(path string, item Item) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, item.Mode)
	if err != nil {
		return err
	}
	var source io.Reader = strings.NewReader(string(item.Content))
	if item.Source != "" {
		opened, err := os.Open(item.Source)
		if err != nil {
			return errors.Join(err, file.Close())
		}
		defer opened.Close()
		source = opened
	}
	_, err = io.Copy(file, source)
	if err == nil {
		err = file.Chmod(item.Mode) // whatever the umask
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// setAside takes an installed file out of force. One that is no longer as it was
// installed keeps a name beside, which is returned.
func (h Host) setAside(f Installed) (kept string, err error) {
	place, err := h.place(f.Path)
	if err != nil {
		return "", err
	}
	sum, err := digest(place)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", err
	case sum == f.Digest:
		err = os.Remove(place)
	default:
		kept, err = f.Path+previousSuffix, os.Rename(place, place+previousSuffix)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil && f.Replaced != "" {
		var waiting string
		if waiting, err = h.place(f.Replaced); err == nil {
			err = os.Rename(waiting, place)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = nil // never replaced, or put back already
		}
	}
	return kept, err
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
