// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"archive/tar"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/sys/user"
	"github.com/moby/sys/userns"
)

// Bounds of one image's unpacked layers. Real images stay far below: the ratio of a whole image of text is near 10.
const (
	maxEntries   = 1 << 20  // files, directories and links
	freeBytes    = 1 << 30  // any image may unpack to this much
	maxRatio     = 200      // above that, bytes on disk per byte transferred
	maxBytes     = 64 << 30 // of any image
	paxXattr     = "SCHILY.xattr."
	paxUserXattr = paxXattr + "user."
)

// Budget bounds what the layers of one image may unpack to, all together, and keeps out what an archive must not bring
// in. It is used by one goroutine at a time.
type Budget struct {
	entries int64
	bytes   int64 // left of the file sizes the headers announce, sparse files counted in full
	stream  int64 // left of the archives' own bytes
	owners  *owners
}

// NewBudget returns the budget of an image whose compressed layers have that many bytes.
func NewBudget(compressed int64) *Budget {
	total := int64(maxBytes)
	if compressed < (maxBytes-freeBytes)/maxRatio {
		total = freeBytes + compressed*maxRatio
	}
	return &Budget{entries: maxEntries, bytes: total, stream: total, owners: processOwners()}
}

// LimitError says which bound of an image's unpacked layers was passed.
type LimitError struct{ What string }

func (e *LimitError) Error() string { return e.What }

// Unwrap returns errdefs.ErrInvalidArgument.
func (e *LimitError) Unwrap() error { return errdefs.ErrInvalidArgument }

// admit is asked for each entry before it is written. Device nodes are left out, not refused: ordinary base images have
// some, and the worker makes its own /dev. Extended attributes are dropped except the user's: the others are either
// overlayfs's own, by which a layer could redirect into another, or mean something to native programs only.
func (b *Budget) admit(hdr *tar.Header) (bool, error) {
	b.entries--
	if b.entries < 0 {
		return false, &LimitError{fmt.Sprintf("its layers have more than %d entries", maxEntries)}
	}
	b.bytes -= hdr.Size
	if hdr.Size < 0 || b.bytes < 0 {
		return false, &LimitError{"its layers unpack to too many bytes for their compressed size"}
	}
	switch hdr.Typeflag {
	case tar.TypeBlock, tar.TypeChar:
		return false, nil
	}
	for key := range hdr.PAXRecords {
		if strings.HasPrefix(key, paxXattr) &&
			(!strings.HasPrefix(key, paxUserXattr) || strings.HasPrefix(key, paxUserXattr+"overlay.")) {
			delete(hdr.PAXRecords, key)
		}
	}
	hdr.Uid, hdr.Gid = b.owners.uid(hdr.Uid), b.owners.gid(hdr.Gid)
	return true, nil
}

// reader bounds the archive itself: entries of no size, and padding, cost time too.
func (b *Budget) reader(r io.Reader) io.Reader { return &budgetReader{r, b} }

type budgetReader struct {
	r io.Reader
	b *Budget
}

func (r *budgetReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if r.b.stream -= int64(n); r.b.stream < 0 {
		return 0, &LimitError{"its layers unpack to too many bytes for their compressed size"}
	}
	return n, err
}

// owners says which user and group ids a file can be given. In a user namespace most ids of an image may have no
// mapping; their files then belong to the namespace's root.
type owners struct{ uids, gids []user.IDMap }

// processOwners returns nil, every owner is possible, outside of user namespaces.
func processOwners() *owners {
	if !userns.RunningInUserNS() {
		return nil
	}
	uids, uidErr := user.CurrentProcessUIDMap()
	gids, gidErr := user.CurrentProcessGIDMap()
	if uidErr != nil || gidErr != nil {
		return &owners{}
	}
	return &owners{uids: uids, gids: gids}
}

func (o *owners) uid(id int) int {
	if o == nil || mapped(o.uids, id) {
		return id
	}
	return 0
}

func (o *owners) gid(id int) int {
	if o == nil || mapped(o.gids, id) {
		return id
	}
	return 0
}

func mapped(ids []user.IDMap, id int) bool {
	for _, m := range ids {
		if int64(id) >= m.ID && int64(id) < m.ID+m.Count {
			return true
		}
	}
	return false
}
