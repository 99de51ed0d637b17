// SPDX-License-Identifier: Apache-2.0

package wagi

import "time"

// What a client may send.
const (
	maxLine   = 8 << 10  // bytes of a request line or a field
	maxHead   = 32 << 10 // bytes of a request's line and fields
	maxFields = 100
	maxConns  = 512 // more wait in the kernel's queue
	// maxUnread is what is read of a body that the guest left, so that the
	// connection can be used again.
	maxUnread = 256 << 10
)

// maxResponseHead bounds a guest's header in bytes.
const maxResponseHead = 32 << 10

// How long things may take.
const (
	headTime  = 10 * time.Second // from a request's first byte to the end of its head
	idleTime  = 75 * time.Second // between two requests of a connection
	queueTime = 10 * time.Second // for a free slot
	drainTime = 500 * time.Millisecond
	// interruptTime is from the moment a guest is told to end to the one it is
	// taken for computing without pause.
	interruptTime = 2 * time.Second
)
