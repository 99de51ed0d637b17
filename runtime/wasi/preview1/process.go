// SPDX-License-Identifier: Apache-2.0

package preview1

import (
	goruntime "runtime"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/guest"
)

func argsGet(c guest.Call, a []uint64) wasi.Errno {
	return putStrings(c, c.Sys.Args(), guest.U32(a[0]), guest.U32(a[1]))
}

func argsSizesGet(c guest.Call, a []uint64) wasi.Errno {
	return putSizes(c, c.Sys.Args(), guest.U32(a[0]), guest.U32(a[1]))
}

func environGet(c guest.Call, a []uint64) wasi.Errno {
	return putStrings(c, c.Sys.Env(), guest.U32(a[0]), guest.U32(a[1]))
}

func environSizesGet(c guest.Call, a []uint64) wasi.Errno {
	return putSizes(c, c.Sys.Env(), guest.U32(a[0]), guest.U32(a[1]))
}

// putStrings stores the strings at blobPtr and a pointer to each at listPtr.
func putStrings(c guest.Call, s wasi.Strings, listPtr, blobPtr uint32) wasi.Errno {
	list, errno := c.Array(listPtr, uint32(s.Count), 4)
	if errno != wasi.ESUCCESS {
		return errno
	}
	blob, errno := c.Bytes(blobPtr, uint32(len(s.Blob)))
	if errno != wasi.ESUCCESS {
		return errno
	}
	start := 0
	for i, b := range s.Blob {
		if b == 0 {
			le.PutUint32(list, blobPtr+uint32(start))
			list, start = list[4:], i+1
		}
	}
	copy(blob, s.Blob)
	return wasi.ESUCCESS
}

func putSizes(c guest.Call, s wasi.Strings, countPtr, sizePtr uint32) wasi.Errno {
	if errno := c.PutU32(countPtr, uint32(s.Count)); errno != wasi.ESUCCESS {
		return errno
	}
	return c.PutU32(sizePtr, uint32(len(s.Blob)))
}

func clockResGet(c guest.Call, a []uint64) wasi.Errno {
	ns, errno := c.Sys.Resolution(wasi.ClockID(guest.U32(a[0])))
	if errno != wasi.ESUCCESS {
		return errno
	}
	return c.PutU64(guest.U32(a[1]), ns)
}

// clockTimeGet ignores the precision: the clocks are as precise as they are.
func clockTimeGet(c guest.Call, a []uint64) wasi.Errno {
	ns, errno := c.Sys.Now(wasi.ClockID(guest.U32(a[0])))
	if errno != wasi.ESUCCESS {
		return errno
	}
	return c.PutU64(guest.U32(a[2]), ns)
}

func randomGet(c guest.Call, a []uint64) wasi.Errno {
	b, errno := c.Bytes(guest.U32(a[0]), guest.U32(a[1]))
	if errno != wasi.ESUCCESS {
		return errno
	}
	return c.Sys.Random(b)
}

func schedYield(guest.Call, []uint64) wasi.Errno {
	goruntime.Gosched()
	return wasi.ESUCCESS
}

func procExit(c guest.Call, a []uint64) wasi.Errno {
	c.Sys.SetExit(guest.U32(a[0]))
	return wasi.ESUCCESS
}

// WASI's signal numbers that do not end a program (signal).
const (
	signalNone = 0
	signalChld = 16
	signalCont = 17
	signalStop = 18
	signalTstp = 19
	signalTtin = 20
	signalTtou = 21
	signalUrg  = 22
	signalWnch = 27
	signalLast = 30
)

// procRaise does what a signal does to a Linux process that has not said otherwise: nothing, or its
// end with 128 plus the kernel's number. To stop is ENOTSUP, since nothing could make it go on.
func procRaise(c guest.Call, a []uint64) wasi.Errno {
	signal := guest.U32(a[0])
	switch signal {
	case signalNone, signalChld, signalCont, signalUrg, signalWnch:
		return wasi.ESUCCESS
	case signalStop, signalTstp, signalTtin, signalTtou:
		return wasi.ENOTSUP
	}
	if signal > signalLast {
		return wasi.EINVAL
	}
	if signal >= signalChld {
		signal++ // the kernel has SIGSTKFLT in between
	}
	c.Sys.SetExit(128 + signal)
	return wasi.ESUCCESS
}
