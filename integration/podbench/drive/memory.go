// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// settle is how long pods are left alone before their memory is looked at.
const settle = 3 * time.Second

// memory measures what idle pods hold: the proportional set size of their
// processes, how much the daemon has grown, and what the machine has less. The
// sides come one after the other, each with nobody else there.
func (d *driver) memory(r request, count int) func(context.Context, string) error {
	return func(ctx context.Context, name string) error {
		for _, c := range d.clients {
			if err := d.memoryOf(ctx, name, c, r, count); err != nil {
				return fmt.Errorf("%s: %w", c.Name, err)
			}
		}
		return nil
	}
}

func (d *driver) memoryOf(ctx context.Context, name string, c *client, r request, count int) error {
	// A pod beforehand, so that what the first one makes is not counted.
	if _, _, _, err := once(ctx, c, d.serving(r)); err != nil {
		return err
	}
	before, err := look(c)
	if err != nil {
		return err
	}
	pods, _, err := d.many(ctx, c, r, count)
	if err == nil {
		err = wait(ctx, settle)
	}
	var after state
	if err == nil {
		after, err = look(c)
	}
	if err = errors.Join(err, removeAll(context.WithoutCancel(ctx), pods)); err != nil {
		return err
	}
	if err := wait(ctx, settle); err != nil {
		return err
	}
	gone, err := look(c)
	n := float64(count)
	d.out.Add(name, c.Name, "PSS", "MB", slices.Collect(perPod(after.pods, count))...)
	d.out.Add(name, c.Name, "PSS of processes", "MB", (after.pss-before.pss)/n)
	d.out.Add(name, c.Name, "daemon growth", "kB", (after.daemon-before.daemon)*1000/n)
	d.out.Add(name, c.Name, "daemon growth left after removal", "kB", (gone.daemon-before.daemon)*1000/n)
	d.out.Add(name, c.Name, "MemAvailable", "MB", (before.available-after.available)/n)
	d.out.Add(name, c.Name, "processes", "", float64(len(after.pods)-len(before.pods))/n)
	return err
}

// perPod sums up what is not one process per pod: with several processes in each
// pod only the sum over all pods means something.
func perPod(processes []float64, count int) func(func(float64) bool) {
	return func(yield func(float64) bool) {
		if len(processes) != count {
			sum := 0.0
			for _, p := range processes {
				sum += p
			}
			yield(sum / float64(count))
			return
		}
		for _, p := range processes {
			if !yield(p) {
				return
			}
		}
	}
}

// state is what memory is held, in MB.
type state struct {
	pods      []float64 // of each process that belongs to pods
	pss       float64   // their sum
	daemon    float64   // anonymous memory of the daemon
	available float64   // of the machine
}

func look(c *client) (s state, err error) {
	pids, err := c.processes()
	if err != nil {
		return s, err
	}
	for _, pid := range pids {
		pss, err := field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return s, err
		}
		s.pods, s.pss = append(s.pods, pss), s.pss+pss
	}
	if s.daemon, err = field(fmt.Sprintf("/proc/%d/smaps_rollup", c.PID), "Pss_Anon:"); err != nil {
		return s, err
	}
	s.available, err = field("/proc/meminfo", "MemAvailable:")
	return s, err
}

// field reads a number of kB from a file of /proc, in MB.
func field(file, name string) (float64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == name {
			kb, err := strconv.ParseFloat(words[1], 64)
			return kb * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("%s: no %s", file, name)
}

// processes are those in the pods' cgroups, and the shims.
func (c *client) processes() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		groups, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "cgroup"))
		if err != nil {
			continue // ended meanwhile
		}
		if strings.Contains(string(groups), c.CgroupParent+"/") || c.isShim(pid) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

func (c *client) isShim(pid int) bool {
	if c.Shim == "" {
		return false
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return false
	}
	words := strings.Split(string(line), "\x00")
	return strings.HasPrefix(filepath.Base(words[0]), c.Shim) && slices.Contains(words, c.ShimArg)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
