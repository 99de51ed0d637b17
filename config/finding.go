// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"strings"
)

// Finding is one thing that is wrong with a configuration.
type Finding struct {
	File    string // the file's name; empty when the configuration did not come from one
	Line    int    // counted from 1; 0 when the finding is about a value, wherever it came from
	Key     string // dotted; empty for faults of syntax
	Problem string // what is wrong with it
	Doc     string // what the key means, for those who are told to change it
}

// Error gives the finding in one line: place, key, problem.
func (f *Finding) Error() string {
	var text strings.Builder
	if f.File != "" {
		text.WriteString(f.File + ": ")
	}
	if f.Line > 0 {
		fmt.Fprintf(&text, "line %d: ", f.Line)
	}
	if f.Key != "" {
		text.WriteString(f.Key + ": ")
	}
	text.WriteString(f.Problem)
	return text.String()
}

// Findings is the error of this package that holds all findings at once, in the
// order of the file or of Validate.
type Findings []*Finding

// Error gives one finding per line.
func (f Findings) Error() string { return errors.Join(f.Unwrap()...).Error() }

// Unwrap gives the findings as errors.
func (f Findings) Unwrap() []error {
	errs := make([]error, len(f))
	for i, finding := range f {
		errs[i] = finding
	}
	return errs
}

// asError is nil when there are no findings.
func (f Findings) asError() error {
	if len(f) == 0 {
		return nil
	}
	return f
}
