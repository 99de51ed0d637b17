// SPDX-License-Identifier: Apache-2.0

package wasi

// Rights are what may be done with a descriptor (base) or with the descriptors opened through it
// (inheriting); `rights` in preview 1. They only ever shrink: path_open gives at most the directory's
// inheriting rights, fd_fdstat_set_rights only takes away.
type Rights uint64

// The preview 1 rights.
const (
	RightFDDatasync Rights = 1 << iota
	RightFDRead
	RightFDSeek
	RightFDFdstatSetFlags
	RightFDSync
	RightFDTell
	RightFDWrite
	RightFDAdvise
	RightFDAllocate
	RightPathCreateDirectory
	RightPathCreateFile
	RightPathLinkSource
	RightPathLinkTarget
	RightPathOpen
	RightFDReaddir
	RightPathReadlink
	RightPathRenameSource
	RightPathRenameTarget
	RightPathFilestatGet
	RightPathFilestatSetSize
	RightPathFilestatSetTimes
	RightFDFilestatGet
	RightFDFilestatSetSize
	RightFDFilestatSetTimes
	RightPathSymlink
	RightPathRemoveDirectory
	RightPathUnlinkFile
	RightPollFDReadwrite
	RightSockShutdown
	RightSockAccept

	// RightsAll is every right there is. Bits beyond it are ignored wherever a guest sets them:
	// programs commonly ask for ^0.
	RightsAll = RightSockAccept<<1 - 1
)

// What each kind of descriptor can have at most.
const (
	rightsStream = RightFDRead | RightFDWrite | RightFDFdstatSetFlags | RightFDFilestatGet |
		RightPollFDReadwrite
	rightsFile = rightsStream | RightFDDatasync | RightFDSeek | RightFDSync | RightFDTell |
		RightFDAdvise | RightFDAllocate | RightFDFilestatSetSize | RightFDFilestatSetTimes
	rightsDirectory = RightFDFdstatSetFlags | RightFDSync | RightFDDatasync | RightFDAdvise |
		RightPathCreateDirectory | RightPathCreateFile | RightPathLinkSource | RightPathLinkTarget |
		RightPathOpen | RightFDReaddir | RightPathReadlink | RightPathRenameSource |
		RightPathRenameTarget | RightPathFilestatGet | RightPathFilestatSetSize |
		RightPathFilestatSetTimes | RightFDFilestatGet | RightFDFilestatSetTimes |
		RightPathSymlink | RightPathRemoveDirectory | RightPathUnlinkFile | RightPollFDReadwrite
	rightsSocket = rightsStream | RightSockShutdown | RightSockAccept
)

// applicable is the most a descriptor of this kind can do, base and inheriting.
func (d *Descriptor) applicable() (base, inheriting Rights) {
	switch d.Type() {
	case FileDirectory:
		return rightsDirectory, RightsAll
	case FileRegular, FileBlockDevice:
		return rightsFile, 0
	case FileSocketStream, FileSocketDatagram:
		return rightsSocket, rightsSocket
	case FileCharacterDevice:
		if d.tty {
			// Without the right to seek: that is how wasi-libc's isatty tells a terminal.
			return rightsStream, 0
		}
		return rightsFile, 0
	}
	return rightsStream, 0
}

// Rights are the descriptor's rights.
func (d *Descriptor) Rights() (base, inheriting Rights) {
	return Rights(d.base.Load()), Rights(d.inheriting.Load())
}

// SetRights takes rights away; asking for one the descriptor lacks is ENOTCAPABLE.
func (d *Descriptor) SetRights(base, inheriting Rights) Errno {
	base, inheriting = base&RightsAll, inheriting&RightsAll
	haveBase, haveInheriting := d.Rights()
	if base&^haveBase != 0 || inheriting&^haveInheriting != 0 {
		return ENOTCAPABLE
	}
	d.grant(base, inheriting)
	return ESUCCESS
}

func (d *Descriptor) grant(base, inheriting Rights) {
	d.base.Store(uint64(base))
	d.inheriting.Store(uint64(inheriting))
}

// Allow says whether the descriptor has all of these rights.
func (d *Descriptor) Allow(need Rights) Errno {
	if need&^Rights(d.base.Load()) != 0 {
		return ENOTCAPABLE
	}
	return ESUCCESS
}
