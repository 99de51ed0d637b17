// SPDX-License-Identifier: Apache-2.0

package wasi

import "golang.org/x/sys/unix"

// Limits on what one guest can ask for. They bound the host's own work and memory; what they bound
// is far beyond real programs.
const (
	// MaxDescriptors is how many descriptors a guest may hold; the process's RLIMIT_NOFILE may be less.
	MaxDescriptors = 1 << 16
	// MaxVectors is the most buffers one read or write takes (IOV_MAX of Linux); more is EINVAL.
	MaxVectors = 1024
	// MaxPath is the longest path, terminator included (PATH_MAX of Linux); more is ENAMETOOLONG.
	MaxPath = 4096
	// MaxSubscriptions is the most events one poll waits for: a read and a write for each descriptor,
	// and as many timers again; more is EINVAL.
	MaxSubscriptions = 4 * MaxDescriptors
)

// FileType is what a descriptor refers to (`filetype` in preview 1).
type FileType uint8

// The preview 1 file types. A FIFO has none of its own: it is FileUnknown.
const (
	FileUnknown FileType = iota
	FileBlockDevice
	FileCharacterDevice
	FileDirectory
	FileRegular
	FileSocketDatagram
	FileSocketStream
	FileSymbolicLink
)

func fileTypeOf(mode uint32) FileType {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return FileRegular
	case unix.S_IFDIR:
		return FileDirectory
	case unix.S_IFLNK:
		return FileSymbolicLink
	case unix.S_IFCHR:
		return FileCharacterDevice
	case unix.S_IFBLK:
		return FileBlockDevice
	case unix.S_IFSOCK:
		return FileSocketStream
	}
	return FileUnknown
}

// FDFlags are a descriptor's flags as the guest sees them (`fdflags` in preview 1). FlagNonblock is
// the guest's wish; the kernel's own O_NONBLOCK is this package's business.
type FDFlags uint16

// The preview 1 descriptor flags.
const (
	FlagAppend FDFlags = 1 << iota
	FlagDSync
	FlagNonblock
	FlagRSync
	FlagSync

	flagsAll = FlagAppend | FlagDSync | FlagNonblock | FlagRSync | FlagSync
)

// OpenFlags say how Open treats the file (`oflags` in preview 1).
type OpenFlags uint16

// The preview 1 open flags.
const (
	OpenCreate OpenFlags = 1 << iota
	OpenDirectory
	OpenExclusive
	OpenTruncate

	openAll = OpenCreate | OpenDirectory | OpenExclusive | OpenTruncate
)

// Filestat is a file's attributes. Times are nanoseconds since 1970.
type Filestat struct {
	Dev, Ino, Nlink, Size uint64
	Atim, Mtim, Ctim      uint64
	Type                  FileType
}

func filestatOf(st *unix.Stat_t) Filestat {
	return Filestat{
		Dev: st.Dev, Ino: st.Ino, Size: uint64(st.Size),
		Nlink: uint64(st.Nlink), //nolint:unconvert // it has 32 bits on arm64
		Atim:  uint64(st.Atim.Nano()), Mtim: uint64(st.Mtim.Nano()), Ctim: uint64(st.Ctim.Nano()),
		Type: fileTypeOf(st.Mode),
	}
}

// SetTimes says which of a file's times to set, and to what (`fstflags` in preview 1).
type SetTimes uint16

// The preview 1 flags of the functions that set a file's times.
const (
	SetAtim SetTimes = 1 << iota
	SetAtimNow
	SetMtim
	SetMtimNow

	setTimesAll = SetAtim | SetAtimNow | SetMtim | SetMtimNow
)

// timespecs is the pair utimensat wants. Naming a time both explicitly and as "now" is EINVAL.
func (f SetTimes) timespecs(atim, mtim uint64) (ts [2]unix.Timespec, errno Errno) {
	const atimBoth, mtimBoth = SetAtim | SetAtimNow, SetMtim | SetMtimNow
	if f&^setTimesAll != 0 || f&atimBoth == atimBoth || f&mtimBoth == mtimBoth {
		return ts, EINVAL
	}
	ts[0] = timespecFor(atim, f&SetAtim != 0, f&SetAtimNow != 0)
	ts[1] = timespecFor(mtim, f&SetMtim != 0, f&SetMtimNow != 0)
	return ts, ESUCCESS
}

func timespecFor(ns uint64, set, now bool) unix.Timespec {
	switch {
	case now:
		return unix.Timespec{Nsec: unix.UTIME_NOW}
	case set:
		return unix.Timespec{Sec: int64(ns / 1e9), Nsec: int64(ns % 1e9)}
	}
	return unix.Timespec{Nsec: unix.UTIME_OMIT}
}

// Whence is where a seek counts from; the values are the kernel's and preview 1's.
type Whence uint8

// The places a seek counts from.
const (
	SeekStart Whence = iota
	SeekCurrent
	SeekEnd
)

// Advice is what a guest expects of its reads (`advice` in preview 1).
type Advice uint8

// kernelAdvice is Advice in the kernel's numbering, which swaps sequential and random.
var kernelAdvice = [...]int{
	unix.FADV_NORMAL, unix.FADV_SEQUENTIAL, unix.FADV_RANDOM,
	unix.FADV_WILLNEED, unix.FADV_DONTNEED, unix.FADV_NOREUSE,
}
