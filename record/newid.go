// SPDX-License-Identifier: Apache-2.0

package record

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
)

// An id is 64 hexadecimal digits, as every CRI client expects. The last bytes are
// derived from the random ones before them: whose an id is can be told from the
// id alone, even when what it named is gone, with an error of one in 2^48.
const (
	idBytes     = 32
	randomBytes = 26
)

// NewID makes an id for a sandbox or a container.
func NewID() string {
	var raw [idBytes]byte
	rand.Read(raw[:randomBytes]) // never fails: crypto/rand crashes the program instead
	copy(raw[randomBytes:], mark(raw[:randomBytes]))
	return hex.EncodeToString(raw[:])
}

// Made says whether NewID has made the id, here or on another node. Other runtimes'
// ids look alike and are not made so; nor are those of Wazelet's first releases.
func Made(id string) bool {
	raw, err := hex.DecodeString(id)
	return err == nil && len(raw) == idBytes && string(raw[randomBytes:]) == string(mark(raw[:randomBytes]))
}

func mark(random []byte) []byte {
	sum := sha256.Sum256(append([]byte("wazelet"), random...))
	return sum[:idBytes-randomBytes]
}
