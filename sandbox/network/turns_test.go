// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/sandbox/internal/nodetest"
)

// gated is a plugin that writes down when it runs, says that it has come, and waits
// until it is let go.
type gated struct {
	t       *testing.T
	plugin  *Plugin
	arrived *bufio.Reader
	release *os.File
	journal string
}

func newGated(t *testing.T, atOnce int) *gated {
	t.Helper()
	n := nodetest.NewBare(t)
	dir := t.TempDir()
	open := func(name string) *os.File {
		path := filepath.Join(dir, name)
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	g := &gated{t: t, arrived: bufio.NewReader(open("arrived")), release: open("release"), journal: filepath.Join(dir, "journal")}
	n.Script(t, "gated", fmt.Sprintf(`cd %q
echo "+ $CNI_COMMAND $CNI_CONTAINERID" >> journal
case $CNI_CONTAINERID in held*)
	echo "$CNI_COMMAND $CNI_CONTAINERID" > arrived
	read _ < release ;;
esac
echo "- $CNI_COMMAND $CNI_CONTAINERID" >> journal
[ $CNI_COMMAND = DEL ] || echo '{"cniVersion":"1.1.0","ips":[{"address":"192.0.2.7/24"}]}'`, dir))
	n.Configure(t, `{"type":"gated"}`)
	var err error
	g.plugin, err = New(Options{BinDirs: n.BinDirs, ConfDir: n.ConfDir, CacheDir: n.CacheDir, AtOnce: atOnce})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *gated) plan(id string) *Attachment {
	g.t.Helper()
	a, err := g.plugin.Plan(id, request())
	if err != nil {
		g.t.Fatal(err)
	}
	return a
}

// arrival waits for a plugin to come, and returns what it runs for.
func (g *gated) arrival() string {
	g.t.Helper()
	line, err := g.arrived.ReadString('\n')
	if err != nil {
		g.t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func (g *gated) letGo() {
	g.t.Helper()
	if _, err := g.release.WriteString("\n"); err != nil {
		g.t.Fatal(err)
	}
}

// most is how many plugins ran at once, and runs what they were.
func (g *gated) most() (most int, runs []string) {
	g.t.Helper()
	text, err := os.ReadFile(g.journal)
	if err != nil {
		g.t.Fatal(err)
	}
	running := 0
	for line := range strings.Lines(string(text)) {
		if run, began := strings.CutPrefix(strings.TrimSpace(line), "+ "); began {
			running++
			runs = append(runs, run)
		} else {
			running--
		}
		most = max(most, running)
	}
	return most, runs
}

func TestPluginsRunForABoundedNumberOfPods(t *testing.T) {
	for _, c := range []struct{ atOnce, ofAKind int }{{1, 1}, {2, 1}, {4, 3}, {8, 6}} {
		t.Run(fmt.Sprint(c.atOnce), func(t *testing.T) {
			g := newGated(t, c.atOnce)
			const pods = 12
			path := namespace(t)
			each := func(do func(id string, a *Attachment) error) {
				var all sync.WaitGroup
				for i := range pods {
					id := fmt.Sprintf("held%d", i)
					a := g.plan(id)
					all.Go(func() {
						if err := do(id, a); err != nil {
							t.Error(err)
						}
					})
				}
				for range min(pods, c.ofAKind) {
					g.arrival()
				}
				for range pods - c.ofAKind { // who goes makes room for one
					g.letGo()
					g.arrival()
				}
				for range c.ofAKind {
					g.letGo()
				}
				all.Wait()
			}
			each(func(id string, a *Attachment) error {
				_, err := g.plugin.Attach(t.Context(), id, path, a)
				return err
			})
			each(func(id string, a *Attachment) error { return g.plugin.Detach(t.Context(), id, path, a) })
			if most, runs := g.most(); most > c.ofAKind || len(runs) != 2*pods {
				t.Errorf("%d at once of %d, %d runs", most, c.ofAKind, len(runs))
			}
		})
	}
}

// TestPluginsThatHangKeepNoPodFromGoing, and one that waits behind them gives up when
// its caller does.
func TestPluginsThatHangKeepNoPodFromGoing(t *testing.T) {
	g := newGated(t, 4)
	path := namespace(t)
	leaving := g.plan("leaving")
	if _, err := g.plugin.Attach(t.Context(), "leaving", path, leaving); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 3 {
		id := fmt.Sprintf("held%d", i)
		a := g.plan(id)
		all.Go(func() {
			if _, err := g.plugin.Attach(t.Context(), id, path, a); err != nil {
				t.Error(err)
			}
		})
	}
	for range 3 {
		g.arrival()
	}
	if err := g.plugin.Detach(t.Context(), "leaving", path, leaving); err != nil {
		t.Error(err)
	}

	late := errors.New("late")
	ctx, cancel := context.WithCancelCause(t.Context())
	answer := make(chan error)
	behind := g.plan("behind")
	go func() {
		_, err := g.plugin.Attach(ctx, "behind", path, behind)
		answer <- err
	}()
	cancel(late)
	err := <-answer
	if !errors.Is(err, late) || !errors.Is(err, ErrNotBegun) || !strings.Contains(err.Error(), "network test: waiting for the CNI plugins of other pods") {
		t.Errorf("%v", err)
	}
	for range 3 {
		g.letGo()
	}
	all.Wait()
	most, runs := g.most()
	if most > 4 || slices.Contains(runs, "ADD behind") || !slices.Contains(runs, "DEL leaving") {
		t.Errorf("%d at once, %v", most, runs)
	}
	if ids, err := g.plugin.Attached(); err != nil || slices.Contains(ids, "behind") || len(ids) != 3 {
		t.Errorf("attached %v, %v", ids, err)
	}
	if g.plugin.turns.held != [kinds]int{} {
		t.Errorf("turns not given back: %v", g.plugin.turns.held)
	}
}

// TestTurnsAlternate: neither kind waits for all of the other.
func TestTurnsAlternate(t *testing.T) {
	turns, err := newTurns(1)
	if err != nil {
		t.Fatal(err)
	}
	order := []kind{detaching, attaching, attaching, detaching, detaching, attaching}
	waiting := make([]chan struct{}, len(order))
	for i, k := range order {
		waiting[i] = turns.queue(k)
	}
	var served []int
	for range order {
		for i, turn := range waiting {
			select {
			case <-turn:
				waiting[i] = nil
				served = append(served, i)
			default:
			}
		}
		turns.give(order[served[len(served)-1]])
	}
	if want := []int{0, 1, 3, 2, 4, 5}; !slices.Equal(served, want) {
		t.Errorf("served %v, want %v", served, want)
	}
}

func TestTurnsHaveADefault(t *testing.T) {
	if turns, err := newTurns(0); err != nil || turns.most < leastAtOnce || turns.each >= turns.most {
		t.Errorf("%+v, %v", turns, err)
	}
	if _, err := newTurns(-1); err == nil {
		t.Error("less than none")
	}
}
