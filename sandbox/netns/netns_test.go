// SPDX-License-Identifier: Apache-2.0

package netns_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/sandbox/netns"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// inode names the namespace of a path.
func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

func make1(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "netns", "n")
	if err := netns.Create(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netns.Remove(path); err != nil {
			t.Error(err)
		}
	})
	return path
}

func TestANamespaceLivesWithoutProcess(t *testing.T) {
	host := inode(t, "/proc/self/ns/net")
	path := make1(t)
	if ok, err := netns.Exists(path); !ok || err != nil {
		t.Errorf("exists: %v, %v", ok, err)
	}
	if inode(t, path) == host {
		t.Error("it is the host's namespace")
	}
	if err := netns.Create(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("made twice: %v", err)
	}
	for range 2 {
		if err := netns.Remove(path); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file stays: %v", err)
	}
	if ok, err := netns.Exists(path); ok || err != nil {
		t.Errorf("after the removal: %v, %v", ok, err)
	}
	if now := inode(t, "/proc/self/ns/net"); now != host {
		t.Error("the process moved")
	}
}

func TestLoopbackIsUp(t *testing.T) {
	path := make1(t)
	err := netns.Do(path, func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		if lo.Attrs().Flags&net.FlagUp == 0 {
			t.Error("lo is down")
		}
		links, err := netlink.LinkList()
		if err != nil {
			return err
		}
		for _, l := range links {
			if l.Type() == "veth" || l.Type() == "bridge" {
				t.Errorf("the host's %s is here", l.Attrs().Name)
			}
		}
		addrs, err := netlink.AddrList(lo, netlink.FAMILY_V4)
		if err == nil && (len(addrs) != 1 || !addrs[0].IP.IsLoopback()) {
			err = fmt.Errorf("addresses %v", addrs)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestManyAtOnceLeaveNoThreadAbroad(t *testing.T) {
	host := inode(t, "/proc/self/ns/net")
	dir := t.TempDir()
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			path := filepath.Join(dir, fmt.Sprint(i))
			if err := netns.Create(path); err != nil {
				t.Error(err)
				return
			}
			own := inode(t, path)
			err := netns.Do(path, func() error {
				if got := inode(t, "/proc/thread-self/ns/net"); got != own {
					t.Errorf("in %d, want %d", got, own)
				}
				return nil
			})
			if err := errors.Join(err, netns.Remove(path)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	tasks, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil || len(tasks) == 0 {
		t.Fatal(tasks, err)
	}
	for _, task := range tasks {
		var st unix.Stat_t
		if err := unix.Stat(task, &st); err == nil && st.Ino != host {
			t.Errorf("%s is not back", task)
		}
	}
}

func TestWhatIsNoNamespaceIsToldSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if ok, err := netns.Exists(path); ok || err != nil {
		t.Errorf("a plain file: %v, %v", ok, err)
	}
	never := func() error { t.Error("ran"); return nil }
	for _, p := range []string{path, path + "/none", filepath.Join(t.TempDir(), "absent"), "/proc/self/ns/uts"} {
		if err := netns.Do(p, never); err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("%s: %v", p, err)
		}
	}
	if _, err := netns.Exists(path + "/none"); err == nil {
		t.Error("a path through a file is no error")
	}
	if err := netns.Create(path + "/none"); err == nil {
		t.Error("made below a file")
	}
	if err := netns.Remove(path); err != nil { // as a kill between file and mount leaves it
		t.Error(err)
	}
	want := errors.New("own")
	if err := netns.Do("/proc/self/ns/net", func() error { return want }); !errors.Is(err, want) {
		t.Error(err)
	}
}
