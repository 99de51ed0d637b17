// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
)

// Names in the directory of roots, and in a root's own.
const (
	rootsDir  = "roots"
	unusable  = "." // begins the names of what is being made or removed
	goneName  = unusable + "gone-"
	newName   = unusable + "new-"
	upperName = "/fs"
	workName  = "/work"
	chainName = "/chain" // a link that leads nowhere: to the chain below
	heldName  = "/held"  // there if a snapshot holds other chains for the root
)

// roots are the roots that are directories of the store's own: <dir>/roots/<container>/{fs,work,chain}. That one is there
// means that it is whole. Nothing of it is synced to the disk: no container outlives the kernel.
type roots struct {
	dir string

	mu      sync.Mutex
	chains  map[string]digest.Digest // by the container's id
	uses    map[digest.Digest]int    // roots above a chain, and such as are being made
	keepers map[digest.Digest]keeper
}

// open reads which roots there are.
func (r *roots) open(dir string) error {
	r.dir = filepath.Join(dir, rootsDir)
	r.chains, r.uses, r.keepers = map[string]digest.Digest{}, map[digest.Digest]int{}, map[digest.Digest]keeper{}
	entries, err := os.ReadDir(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return os.MkdirAll(r.dir, 0o700)
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		id := entry.Name()
		if strings.HasPrefix(id, newName) {
			if err := os.Rename(r.path(id), r.goneName(id)); err != nil {
				return err
			}
		}
		if strings.HasPrefix(id, unusable) {
			continue
		}
		chain, err := os.Readlink(r.path(id) + chainName)
		if err != nil {
			return err
		}
		r.chains[id] = digest.Digest(strings.TrimPrefix(chain, emptyChain))
		r.uses[r.chains[id]]++
	}
	return nil
}

// emptyChain stands for the empty chain: a link cannot be empty.
const emptyChain = "none"

func (r *roots) path(id string) string { return filepath.Join(r.dir, id) }

// goneName is a new name for what is to be removed.
func (r *roots) goneName(id string) string { return filepath.Join(r.dir, goneName+id+"-"+rand.Text()) }

func (r *roots) upper(id string) string { return r.path(id) + upperName }

// unuse is for a root that is gone, or was not made after all. It tells whether there is no other above the chain.
func (r *roots) unuse(chain digest.Digest) (last bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.uses[chain]--; r.uses[chain] > 0 {
		return false
	}
	delete(r.uses, chain)
	return true
}

func (r *roots) chain(id string) (chain digest.Digest, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	chain, ok = r.chains[id]
	return chain, ok
}

func (r *roots) has(id string) bool {
	_, ok := r.chain(id)
	return ok
}

func (r *roots) list() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([]string, 0, len(r.chains))
	for id := range r.chains {
		ids = append(ids, id)
	}
	return ids
}

// make makes the root of a container; made is false if it is there.
func (r *roots) make(id string, chain digest.Digest, k keeper) (made bool, err error) {
	if r.has(id) {
		return false, nil
	}
	dir := filepath.Join(r.dir, newName+id)
	if err := os.RemoveAll(dir); err != nil {
		return false, err
	}
	err = build(dir, chain, k)
	if err == nil {
		err = os.Rename(dir, r.path(id))
	}
	if err != nil {
		return false, errors.Join(err, os.RemoveAll(dir))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.chains[id] = chain
	return true, nil
}

func build(dir string, chain digest.Digest, k keeper) error {
	below := chain.String()
	if below == "" {
		below = emptyChain
	}
	return errors.Join(
		os.Mkdir(dir, 0o700),
		os.Mkdir(dir+upperName, 0o755),
		os.Chmod(dir+upperName, 0o755), // whatever the umask
		os.Lchown(dir+upperName, k.uid, k.gid),
		os.Mkdir(dir+workName, 0o711),
		os.Symlink(below, dir+chainName),
	)
}

// remove takes a root out of use. It returns the chain it lay on, "" if there is no such root, and whether others were held for it.
func (r *roots) remove(id string) (chain digest.Digest, own, held bool, err error) {
	chain, own = r.chain(id)
	if !own {
		return "", false, false, nil
	}
	_, err = os.Lstat(r.path(id) + heldName)
	held = err == nil
	if err := os.Rename(r.path(id), r.goneName(id)); err != nil {
		return "", own, held, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.chains, id)
	return chain, own, held, nil
}

// markHeld notes that a snapshot of the container's name holds other chains; own is false if there is no such root.
func (r *roots) markHeld(id string) (own bool, err error) {
	if !r.has(id) {
		return false, nil
	}
	f, err := os.OpenFile(r.path(id)+heldName, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return true, err
	}
	return true, f.Close()
}

// gone lists what is left of roots that were removed, or never were.
func (r *roots) gone() ([]string, error) {
	return filepath.Glob(filepath.Join(r.dir, goneName+"*"))
}
