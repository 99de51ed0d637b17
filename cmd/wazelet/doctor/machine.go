// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	enoughFiles = 65536     // open files, for a daemon that holds a few per pod
	enoughSpace = 1 << 30   // bytes
	leastSpace  = 100 << 20 // bytes
	leastInodes = 10000
)

// built is a day before which no clock of a running wazelet can be.
var built = time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)

func checkOpenFiles(context.Context, Options) []Finding {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return warn("getrlimit: "+err.Error(), newKernel)
	}
	if limit.Max < enoughFiles {
		return warn(fmt.Sprintf("the limit of open files is %d: nodes with many pods need more", limit.Max),
			fmt.Sprintf("Raise it to at least %d (LimitNOFILE= in the unit; `ulimit -Hn` in a shell).", enoughFiles))
	}
	return ok("up to %d open files", limit.Max)
}

func checkClock(context.Context, Options) []Finding {
	if now := time.Now(); now.Before(built) {
		return fail("the clock says "+now.UTC().Format(time.DateOnly)+": certificates and tokens will not be accepted",
			"Set the time and run a time service, such as chrony.")
	}
	state, err := unix.Adjtimex(&unix.Timex{})
	if err != nil || state == unix.TIME_ERROR {
		return warn("nothing keeps the clock right: log times drift, and one day certificates are refused",
			"Run a time service, such as chrony or systemd-timesyncd.")
	}
	return ok("the clock is synchronised")
}

func checkRoot(_ context.Context, o Options) []Finding {
	findings := examineDir("root", o.Config.Root)
	if findings == nil {
		return ok("%s can be written and has space", o.Config.Root)
	}
	return findings
}

func checkState(_ context.Context, o Options) []Finding {
	dir := o.Config.State
	findings := slices.Concat(examineDir("state", dir), examineVolatile(dir))
	if findings == nil {
		return ok("%s can be written and is on a tmpfs", dir)
	}
	return findings
}

// examineDir looks at the directory that exists now, which may be a parent of
// the one that the daemon will make.
func examineDir(key, dir string) []Finding {
	place, err := existing(dir)
	if err != nil {
		return fail(err.Error(), "Make it a directory, or set "+key+" to another one.")
	}
	if err := unix.Access(place, unix.W_OK|unix.X_OK); err != nil {
		return fail(fmt.Sprintf("%s cannot be written: %v", place, err), "Run wazelet as root, mount it read-write, or set "+key+" to another directory.")
	}
	var st unix.Statfs_t
	if err := unix.Statfs(place, &st); err != nil {
		return fail(fmt.Sprintf("%s: statfs: %v", place, err), "Look at the file system's health (`dmesg`).")
	}
	free := st.Bavail * uint64(st.Bsize)
	mend := "Free some space, or set " + key + " to a directory on a larger file system."
	switch {
	case free < leastSpace:
		return fail(fmt.Sprintf("%s has %d MiB left", place, free>>20), mend)
	case key == "root" && free < enoughSpace:
		return warn(fmt.Sprintf("%s has %d MiB left, which a few images fill", place, free>>20), mend)
	case st.Files > 0 && st.Ffree < leastInodes:
		return warn(fmt.Sprintf("%s has %d inodes left", place, st.Ffree), mend)
	}
	return nil
}

// examineVolatile wants a file system that a reboot empties, so that nothing
// in it outlives the network namespaces and processes it speaks of.
func examineVolatile(dir string) []Finding {
	place, err := existing(dir)
	if err != nil {
		return nil // examineDir has said so
	}
	var st unix.Statfs_t
	if err := unix.Statfs(place, &st); err != nil || st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC {
		return nil
	}
	return warn(place+" is not on a tmpfs: what belongs to one boot outlives it", "Mount a tmpfs there, or set state to a directory that is on one (on most systems, below /run).")
}

// existing is the nearest directory at or above dir that exists.
func existing(dir string) (string, error) {
	for {
		info, err := os.Stat(dir)
		switch {
		case err == nil && !info.IsDir():
			return "", fmt.Errorf("%s is not a directory", dir)
		case err == nil || !errors.Is(err, fs.ErrNotExist):
			return dir, err
		}
		dir = filepath.Dir(dir)
	}
}
