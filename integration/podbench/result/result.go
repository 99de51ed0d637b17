// SPDX-License-Identifier: Apache-2.0

// Package result holds what a run of the pod benchmark measured: samples and
// single values of each side, and the machine they are from. It is written as
// JSON, compared with an earlier one, and shown as Markdown and SVG.
package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// Version of the file's format.
const Version = 1

// StepPrefix begins the phases that are steps of Wazelet's own account of a start.
const StepPrefix = "step "

// File is one run.
type File struct {
	Version int       `json:"version"`
	Time    time.Time `json:"time"`
	Machine Machine   `json:"machine"`
	// Sides by name; the first is the one that is judged.
	Sides   []Side   `json:"sides"`
	Series  []Series `json:"series"`
	Options []string `json:"options"` // the command line
}

// Machine is what the run was done on.
type Machine struct {
	CPU     string    `json:"cpu"`
	Cores   int       `json:"cores"`
	Memory  uint64    `json:"memory"` // bytes
	Kernel  string    `json:"kernel"`
	Cgroups string    `json:"cgroups"`
	Go      string    `json:"go"`
	Load    []float64 `json:"load"` // load averages of a minute, before, between and after
}

// Side is a runtime with its version.
type Side struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Series are the samples of one measurement on one side.
type Series struct {
	// Name says what was measured: "start/small/host" or "memory/go/pss".
	Name string `json:"name"`
	Side string `json:"side"`
	// Phase is a part of what the name says, such as RunPodSandbox; empty is the whole.
	Phase   string    `json:"phase,omitempty"`
	Unit    string    `json:"unit"`
	Samples []float64 `json:"samples"`
}

// Stats summarise samples.
type Stats struct {
	N                               int
	Min, P25, Median, P75, P99, Max float64
}

// Stats computes them; all are NaN-free zeroes without samples.
func (s *Series) Stats() Stats {
	if s == nil || len(s.Samples) == 0 {
		return Stats{}
	}
	sorted := slices.Sorted(slices.Values(s.Samples))
	at := func(q float64) float64 { return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))] }
	return Stats{
		N: len(sorted), Min: sorted[0], P25: at(0.25), Median: at(0.5), P75: at(0.75), P99: at(0.99), Max: sorted[len(sorted)-1],
	}
}

// Find returns the series, nil if it was not measured.
func (f *File) Find(name, side, phase string) *Series {
	for i, s := range f.Series {
		if s.Name == name && s.Side == side && s.Phase == phase {
			return &f.Series[i]
		}
	}
	return nil
}

// Add appends samples to the series.
func (f *File) Add(name, side, phase, unit string, samples ...float64) {
	s := f.Find(name, side, phase)
	if s == nil {
		f.Series = append(f.Series, Series{Name: name, Side: side, Phase: phase, Unit: unit})
		s = &f.Series[len(f.Series)-1]
	}
	s.Samples = append(s.Samples, samples...)
}

// Merge takes over what the other file, of the same machine, has measured later.
func (f *File) Merge(other *File) {
	for _, s := range other.Series {
		f.Series = slices.DeleteFunc(f.Series, func(old Series) bool {
			return old.Name == s.Name && old.Side == s.Side && old.Phase == s.Phase
		})
	}
	f.Series = append(f.Series, other.Series...)
	for _, s := range other.Sides {
		i := slices.IndexFunc(f.Sides, func(old Side) bool { return old.Name == s.Name })
		if i < 0 {
			f.Sides = append(f.Sides, s)
			continue
		}
		f.Sides[i] = s
	}
	f.Machine.Load = append(f.Machine.Load, other.Machine.Load...)
}

// Read reads a file.
func Read(name string) (*File, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	f := &File{}
	if err := json.Unmarshal(content, f); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if f.Version != Version {
		return nil, fmt.Errorf("%s: version %d, want %d", name, f.Version, Version)
	}
	if len(f.Sides) == 0 {
		return nil, fmt.Errorf("%s: %w", name, errors.New("no sides"))
	}
	return f, nil
}

// Write writes a file.
func (f *File) Write(name string) error {
	content, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(content, '\n'), 0o644)
}
