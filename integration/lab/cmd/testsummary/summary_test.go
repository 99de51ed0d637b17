// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strings"
	"testing"
)

func summarise(t *testing.T, events string) (string, bool) {
	t.Helper()
	var out bytes.Buffer
	s := newSummary(&out)
	if err := s.read(strings.NewReader(events)); err != nil {
		t.Fatal(err)
	}
	good := s.end()
	return out.String(), good
}

func TestPass(t *testing.T) {
	out, good := summarise(t, `{"Action":"run","Package":"a","Test":"T"}
{"Action":"output","Package":"a","Test":"T","Output":"chatter\n"}
{"Action":"pass","Package":"a","Test":"T"}
{"Action":"pass","Package":"a","Elapsed":1.25}
{"Action":"skip","Package":"b"}
`)
	if !good || strings.Contains(out, "chatter") || !strings.Contains(out, "1 passed, 0 failed, 0 skipped; packages: 1 passed, 0 failed, 1 without") {
		t.Errorf("good %t:\n%s", good, out)
	}
}

func TestFail(t *testing.T) {
	out, good := summarise(t, `{"Action":"output","Package":"a","Test":"T","Output":"why\n"}
{"Action":"fail","Package":"a","Test":"T"}
{"Action":"output","Package":"a","Test":"U","Output":"panic: so\n"}
{"Action":"fail","Package":"a"}
`)
	if good || !strings.Contains(out, "why\n") || !strings.Contains(out, "unfinished U\npanic: so") {
		t.Errorf("good %t:\n%s", good, out)
	}
}

func TestBuildFailure(t *testing.T) {
	out, good := summarise(t, `{"ImportPath":"a","Action":"build-output","Output":"a.go:1: undefined: x\n"}
{"ImportPath":"a","Action":"build-fail"}
{"Action":"fail","Package":"a","FailedBuild":"a"}
`)
	if good || !strings.Contains(out, "undefined: x") {
		t.Errorf("good %t:\n%s", good, out)
	}
}

func TestNothing(t *testing.T) {
	if out, good := summarise(t, "no events here\n"); good || !strings.Contains(out, "no events here") {
		t.Errorf("good %t:\n%s", good, out)
	}
}
