// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Options say what is installed, and where.
type Options struct {
	Host    Host
	Release string // of this wazelet
	Program string // this program, with Workers beside it
	Config  string // the configuration's path on the node

	// Endpoint is the present runtime's socket; empty asks the kubelet's configuration.
	Endpoint string
	// BinDir is where the programs go on the node; empty is the first usable of
	// BinDirs.
	BinDir string
	// ConfigFrom is a configuration here to start from; empty starts from the node's
	// own, or from the defaults.
	ConfigFrom string
	// KubeletUnit is the kubelet's systemd unit. KubeletConfigDir is the directory that
	// it is given with --config-dir, where its command line cannot be read.
	KubeletUnit      string
	KubeletConfigDir string
	// NoKubelet leaves it to others to tell the kubelet, NoRestart to start things.
	NoKubelet, NoRestart bool
	// Force stops and removes the node's Wasm pods when Wazelet is taken out.
	Force bool
	// DryRun says what would be done.
	DryRun bool
	// Timeout bounds each wait: for a daemon to answer, for the kubelet to be well.
	Timeout time.Duration

	Out io.Writer // one line per step
}

// BinDirs are where programs are put, by preference: the second for nodes whose /usr is
// read-only.
var BinDirs = []string{"/usr/local/bin", "/opt/wazelet/bin"}

func (o Options) say(format string, args ...any) { fmt.Fprintf(o.Out, format+"\n", args...) }

// socket is where a socket of the node's is connected to from here.
func (o Options) socket(path string) (string, error) { return o.Host.Path(path) }

// binDir chooses where the programs go.
func (o Options) binDir() (string, error) {
	if o.BinDir != "" {
		return o.BinDir, o.Host.usable(o.BinDir)
	}
	var first error
	for _, dir := range BinDirs {
		err := o.Host.usable(dir)
		if err == nil {
			return dir, nil
		}
		if first == nil {
			first = err
		}
	}
	return "", fmt.Errorf("no place for the programs (%w): name a directory on a file system that can be written and run from, with --bin-dir", first)
}

// Workers are the programs that belong beside this one.
var Workers = []string{"wazelet-worker", "wazelet-worker-http"}

// programs are what is installed to run.
func (o Options) programs(binDir string) ([]Item, error) {
	items := []Item{{Path: filepath.Join(binDir, "wazelet"), Mode: 0o755, Source: o.Program}}
	for _, name := range Workers {
		items = append(items, Item{Path: filepath.Join(binDir, name), Mode: 0o755, Source: filepath.Join(filepath.Dir(o.Program), name)})
	}
	for _, item := range items {
		if _, err := os.Stat(item.Source); err != nil {
			return nil, fmt.Errorf("the program to install: %w", err)
		}
	}
	return items, nil
}
