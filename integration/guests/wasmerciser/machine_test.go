// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

func TestSteps(t *testing.T) {
	t.Setenv("COLOUR", "red")
	file := filepath.Join(t.TempDir(), "f")
	var out, errs bytes.Buffer
	m := machine{vars: map[string]string{}, stdout: &out, stderr: &errs}
	for _, c := range []struct{ step, fails string }{
		{"assert_not_exists(file:" + file + ")", ""},
		{"assert_exists(file:" + file + ")", "found is false"},
		{"write(lit:two (2) words)to(file:" + file + ")", ""},
		{"assert_exists(file:" + file + ")", ""},
		{"assert_not_exists(file:" + file + ")", "found is true"},
		{"read(file:" + file + ")to(var:x)", ""},
		{"assert_value(var:x)is(lit:two (2) words)", ""},
		{"assert_value(var:x)is(lit:other)", `is "two (2) words", want "other"`},
		{"write(var:x)to(stm:stdout)", ""},
		{"write(lit:e)to(stm:stderr)", ""},
		{"assert_exists(env:COLOUR)", ""},
		{"assert_not_exists(env:COLOUR)", "found is true"},
		{"assert_value(env:COLOUR)is(lit:red)", ""},
		{"read(env:NOWHERE)to(var:y)", "environment has no NOWHERE"},
		{"write(var:y)to(stm:stdout)", "variable y was not read"},
		{"read(file:/nowhere)to(var:y)", "no such file"},
		{"read(file:" + file + ")to(file:x)", "does not fit here"},
		{"write(lit:a)to(stm:nowhere)", "does not fit here"},
		{"dance(lit:a)to(stm:stdout)", "verb dance"},
		{"assert_exists", "not a step"},
	} {
		err := m.do(c.step)
		if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
			t.Errorf("%s: %v, want %q", c.step, err, c.fails)
		}
	}
	if out.String() != "two (2) words\n" || errs.String() != "e\n" {
		t.Errorf("stdout %q, stderr %q", out.String(), errs.String())
	}
}
