// SPDX-License-Identifier: Apache-2.0

package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// CheckUserNS finds out by trying whether containers below dir, a directory of
// image layers, can have user namespaces.
func CheckUserNS(ctx context.Context, workerPath, dir string) (err error) {
	if err := removeScratch(dir); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(dir, scratchPrefix)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	for _, name := range []string{"lower", "upper", "upper/fs", "upper/work"} {
		if err := os.Mkdir(scratch+"/"+name, 0o755); err != nil {
			return err
		}
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	const first = 100000 // any
	one := []IDMap{{Container: 0, Host: first, Size: 1}}
	ids := &UserNS{UIDs: one, GIDs: one}
	p, conn, stop, err := start(ctx, child{
		path: workerPath, mode: "container", files: []*os.File{null, null, null, nil}, dir: "/",
		enter: func() error { return nil }, userns: ids, flags: unix.CLONE_NEWNS | unix.CLONE_NEWPID,
	})
	if err != nil {
		return err
	}
	defer func() { stop(); err = errors.Join(err, conn.Close(), p.end(ctx)) }()
	userns, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", p.Pid))
	if err != nil {
		return err
	}
	defer userns.Close()
	root, err := mappedFiles([]spec.Mount{{Type: "overlay", Options: []string{
		"lowerdir=" + scratch + "/lower", "upperdir=" + scratch + "/upper/fs", "workdir=" + scratch + "/upper/work",
	}}}, userns, ids)
	if err != nil {
		return err
	}
	defer root.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(root.Fd()), &st); err != nil {
		return err
	}
	if st.Uid != first {
		return fmt.Errorf("the root of a container would belong to %d and not to %d: %w", st.Uid, first, errdefs.ErrFailedPrecondition)
	}
	return nil
}

const (
	// scratchPrefix is that of the directories CheckUserNS tries with.
	scratchPrefix = "userns-"
	// scratchAge is when one is surely not in use any more.
	scratchAge = time.Minute
)

// removeScratch removes what a CheckUserNS has left that was killed.
func removeScratch(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, scratchPrefix+"*"))
	if err != nil {
		return err
	}
	for _, scratch := range left {
		if info, err := os.Lstat(scratch); err != nil || time.Since(info.ModTime()) < scratchAge {
			continue
		}
		if err := os.RemoveAll(scratch); err != nil {
			return err
		}
	}
	return nil
}
