// SPDX-License-Identifier: Apache-2.0

package device

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
)

// nodeIn makes a device node, of /dev/null, in a directory.
func nodeIn(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNodes(t *testing.T) {
	dir := t.TempDir()
	node := nodeIn(t, dir, "snd/one")
	nodeIn(t, dir, "snd/deep/two")
	nodeIn(t, dir, "snd/pts/0")
	link := filepath.Join(dir, "link")
	if err := os.Symlink("snd/one", link); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		host, container, permissions string
		want                         []Node
	}{
		{node, "/dev/one", "rwm", []Node{{node, "/dev/one", "rw"}}},
		{link, "/dev/../dev/x", "", []Node{{node, "/dev/x", "rw"}}},
		{node, "/one", "r", []Node{{node, "/one", "r"}}},
		{node, "/one", "mw", []Node{{node, "/one", "w"}}},
		{filepath.Join(dir, "snd"), "/dev/sound", "rw", []Node{
			{filepath.Join(dir, "snd/deep/two"), "/dev/sound/deep/two", "rw"}, {node, "/dev/sound/one", "rw"},
		}},
	} {
		if got, err := Nodes(tt.host, tt.container, tt.permissions); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s as %q: %v, %v, want %v", tt.host, tt.permissions, got, err, tt.want)
		}
	}
}

func TestNodesRefuse(t *testing.T) {
	dir := t.TempDir()
	node := nodeIn(t, dir, "node")
	for _, tt := range []struct {
		host, permissions string
		class             func(error) bool
		want              string
	}{
		{"/dev/nothing", "rw", errdefs.IsNotFound, "device /dev/nothing: does not exist on the node"},
		{"/etc/passwd", "rw", errdefs.IsInvalidArgument, "device /etc/passwd: is no device"},
		{t.TempDir(), "rw", errdefs.IsInvalidArgument, "no device in this directory"},
		{node, "m", errdefs.IsInvalidArgument, "neither read nor write"},
		{node, "rx", errdefs.IsInvalidArgument, `permissions "rx"`},
	} {
		if _, err := Nodes(tt.host, "/dev/x", tt.permissions); !tt.class(err) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s as %q: %v, want %q", tt.host, tt.permissions, err, tt.want)
		}
	}
}
