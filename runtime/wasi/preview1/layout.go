// SPDX-License-Identifier: Apache-2.0

package preview1

import (
	"encoding/binary"

	"github.com/wazelet/wazelet/runtime/wasi"
)

// le is the byte order of guests' memory.
var le = binary.LittleEndian

// layout is what differs between the two snapshots (typenames.witx of each).
type layout struct {
	whence       [3]wasi.Whence // by the guest's number
	filestat     uint32         // size of filestat
	wideNlink    bool           // filestat's nlink is 64 bits, else 32
	subscription uint32         // size of subscription
	clock        uint32         // where its clock's id is
}

var (
	released = &layout{
		whence:   [3]wasi.Whence{wasi.SeekStart, wasi.SeekCurrent, wasi.SeekEnd},
		filestat: 64, wideNlink: true,
		subscription: 48, clock: 16,
	}
	// In wasi_unstable a clock subscription begins with a second userdata, which nobody used.
	unstable = &layout{
		whence:   [3]wasi.Whence{wasi.SeekCurrent, wasi.SeekEnd, wasi.SeekStart},
		filestat: 56, wideNlink: false,
		subscription: 56, clock: 24,
	}
)

// putFilestat lays out a filestat; b has its size.
func (l *layout) putFilestat(b []byte, fs *wasi.Filestat) {
	le.PutUint64(b[0:], fs.Dev)
	le.PutUint64(b[8:], fs.Ino)
	le.PutUint64(b[16:], uint64(fs.Type)) // the padding after it is zeroed too
	rest := b[24:]
	if l.wideNlink {
		le.PutUint64(rest, fs.Nlink)
		rest = rest[8:]
	} else {
		le.PutUint32(b[20:], uint32(min(fs.Nlink, 1<<32-1)))
	}
	for i, v := range [...]uint64{fs.Size, fs.Atim, fs.Mtim, fs.Ctim} {
		le.PutUint64(rest[8*i:], v)
	}
}

// fdstatSize is the size of fdstat.
const fdstatSize = 24

func putFdstat(b []byte, d *wasi.Descriptor) {
	base, inheriting := d.Rights()
	le.PutUint64(b[0:], 0)
	b[0] = byte(d.Type())
	le.PutUint16(b[2:], uint16(d.Flags()))
	le.PutUint64(b[8:], uint64(base))
	le.PutUint64(b[16:], uint64(inheriting))
}

// direntSize is the size of dirent, without the name that follows it.
const direntSize = 24

func putDirent(b []byte, e *wasi.Dirent) {
	le.PutUint64(b[0:], e.Next)
	le.PutUint64(b[8:], e.Ino)
	le.PutUint32(b[16:], uint32(len(e.Name)))
	le.PutUint32(b[20:], uint32(e.Type))
}

// The kinds of events (eventtype).
const (
	eventClock = iota
	eventFDRead
	eventFDWrite
)

// subscription is one thing poll_oneoff is to wait for.
type subscription struct {
	userdata uint64
	kind     uint8
	fd       uint32
	clock    wasi.ClockID
	timeout  uint64
	flags    uint16
}

func (l *layout) getSubscription(b []byte) subscription {
	s := subscription{userdata: le.Uint64(b), kind: b[8]}
	if s.kind == eventClock {
		clock := b[l.clock:]
		s.clock = wasi.ClockID(le.Uint32(clock))
		s.timeout = le.Uint64(clock[8:])
		s.flags = le.Uint16(clock[24:]) // between them: the precision, which the host decides
		return s
	}
	s.fd = le.Uint32(b[16:])
	return s
}

// eventSize is the size of event.
const eventSize = 32

// eventHangup says that the other side of the descriptor is gone (eventrwflags).
const eventHangup = 1

func putEvent(b []byte, s *subscription, errno wasi.Errno, nbytes uint64, flags uint16) {
	clear(b[:eventSize])
	le.PutUint64(b[0:], s.userdata)
	le.PutUint16(b[8:], uint16(errno))
	b[10] = s.kind
	le.PutUint64(b[16:], nbytes)
	le.PutUint16(b[24:], flags)
}
