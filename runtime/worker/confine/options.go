// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// flag is one mount option that is a property of the mount, not data for the
// file system.
type flag struct {
	legacy uintptr // for mount(2)
	attr   uint64  // for fsmount(2) and mount_setattr(2)
	clear  bool
}

// flags are the options of mount(8) that the kernel takes as bits.
var flags = map[string]flag{
	"ro":           {unix.MS_RDONLY, unix.MOUNT_ATTR_RDONLY, false},
	"rw":           {unix.MS_RDONLY, unix.MOUNT_ATTR_RDONLY, true},
	"nosuid":       {unix.MS_NOSUID, unix.MOUNT_ATTR_NOSUID, false},
	"suid":         {unix.MS_NOSUID, unix.MOUNT_ATTR_NOSUID, true},
	"nodev":        {unix.MS_NODEV, unix.MOUNT_ATTR_NODEV, false},
	"dev":          {unix.MS_NODEV, unix.MOUNT_ATTR_NODEV, true},
	"noexec":       {unix.MS_NOEXEC, unix.MOUNT_ATTR_NOEXEC, false},
	"exec":         {unix.MS_NOEXEC, unix.MOUNT_ATTR_NOEXEC, true},
	"nodiratime":   {unix.MS_NODIRATIME, unix.MOUNT_ATTR_NODIRATIME, false},
	"noatime":      {unix.MS_NOATIME, unix.MOUNT_ATTR_NOATIME, false},
	"strictatime":  {unix.MS_STRICTATIME, unix.MOUNT_ATTR_STRICTATIME, false},
	"relatime":     {unix.MS_RELATIME, unix.MOUNT_ATTR_RELATIME, false},
	"nosymfollow":  {unix.MS_NOSYMFOLLOW, unix.MOUNT_ATTR_NOSYMFOLLOW, false},
	"bind":         {unix.MS_BIND, 0, false},
	"rbind":        {unix.MS_BIND | unix.MS_REC, 0, false},
	"defaults":     {},
	"private":      {}, // how a mount propagates is said by its own field
	"rprivate":     {},
	"remount-bind": {},
}

// atimes are the options of which a mount has one.
var atimes = []string{"noatime", "strictatime", "relatime"}

const atimeFlags = unix.MS_NOATIME | unix.MS_STRICTATIME | unix.MS_RELATIME

// options is a mount's option list, taken apart.
type options struct {
	legacy uintptr
	attrs  uint64
	atime  bool     // one of the attributes of access times is asked for
	data   []string // for the file system: key or key=value
	label  string   // of all files of a new file system (SELinux)
}

// labelled adds the label of all its files to what a new file system is told.
func (o options) labelled(label string) options {
	o.label = label
	return o
}

func parseOptions(list []string) options {
	var o options
	for _, s := range list {
		f, ok := flags[s]
		switch {
		case s == "":
		case !ok:
			o.data = append(o.data, s)
		case slices.Contains(atimes, s):
			o.legacy = o.legacy&^atimeFlags | f.legacy
			o.attrs = o.attrs&^unix.MOUNT_ATTR__ATIME | f.attr
			o.atime = true
		case f.clear:
			o.legacy &^= f.legacy
			o.attrs &^= f.attr
		default:
			o.legacy |= f.legacy
			o.attrs |= f.attr
		}
	}
	return o
}

// onlyAttributes refuses what is for a file system and not for a mount of one
// that is there already.
func (o options) onlyAttributes() error {
	if len(o.data) > 0 {
		return spec.Failf(spec.Invalid, "option %s: a bind mount has none such", o.data[0])
	}
	return nil
}

// attributes are what mount_setattr(2) is told for a mount that is there.
func (o options) attributes() unix.MountAttr {
	if o.atime {
		return unix.MountAttr{Attr_set: o.attrs, Attr_clr: unix.MOUNT_ATTR__ATIME}
	}
	return unix.MountAttr{Attr_set: o.attrs}
}

// shorten makes an overlay's layers relative to their common directory when
// the options would not fit the page that mount(2) takes. It returns the
// directory to be in when mounting, "" for none.
func (o *options) shorten(limit int) (dir string) {
	if len(strings.Join(o.data, ",")) < limit {
		return ""
	}
	for i, s := range o.data {
		layers, ok := strings.CutPrefix(s, "lowerdir=")
		if !ok {
			continue
		}
		paths := strings.Split(layers, ":")
		dir = commonDir(paths)
		if dir == "" {
			return ""
		}
		for j := range paths {
			paths[j] = paths[j][len(dir)+1:]
		}
		o.data[i] = "lowerdir=" + strings.Join(paths, ":")
	}
	return dir
}

// commonDir returns the deepest directory that holds all paths, without a
// final slash; "" when that is the root or unclear.
func commonDir(paths []string) string {
	dir := paths[0]
	for _, p := range paths {
		for dir != "" && !strings.HasPrefix(p, dir+"/") {
			dir = dir[:max(strings.LastIndexByte(dir, '/'), 0)]
		}
	}
	return dir
}
