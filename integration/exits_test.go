// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"testing"

	"github.com/wazelet/wazelet/integration/lab"
)

// TestExitCodes are those that the program ends with.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	cases := map[string]struct {
		args string
		code int
		log  string
	}{
		"one":     {"[exit, '1']", 1, ""},
		"highest": {"[exit, '255']", 255, ""},
		"panic":   {"[panic, oh no]", 2, "panic: oh no"},
		"nil":     {"[nil]", 2, "nil pointer dereference"},
	}
	for name, c := range cases {
		s.pod(name, "containers: [{name: main, image: 'registry.example/probe:1.0', args: "+c.args+"}]")
	}
	for name, c := range cases {
		end := s.fails(name, c.code)
		equal(t, "reason of "+name, end.Reason, "Error")
		contains(t, "log of "+name, s.logs(name), c.log)
	}
}

// TestTraps end a program with 134, and say what it was in the pod's status and in
// the log.
func TestTraps(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	traps := map[string]string{
		"trap":    "unreachable",
		"divide":  "integer divide by zero",
		"bounds":  "out of bounds memory access",
		"recurse": "stack overflow",
	}
	for module := range traps {
		s.pod(module, "containers: [{name: main, image: 'registry.example/tiny/"+module+":1.0'}]")
	}
	for module, text := range traps {
		end := s.fails(module, 134)
		equal(t, "reason of "+module, end.Reason, "Error")
		contains(t, "message of "+module, end.Message, "wasm trap: ", text)
		contains(t, "log of "+module, s.logs(module), "wasm trap: ", text)
	}
}

// TestRestartPolicy decides what follows an end.
func TestRestartPolicy(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	pod := func(name, policy, args string) {
		s.pod(name, fmt.Sprintf("restartPolicy: %s\ncontainers: [{name: main, image: 'registry.example/probe:1.0', args: %s}]", policy, args))
	}
	pod("never", "Never", "[exit, '1']")
	pod("onfailure-good", "OnFailure", "[exit, '0']")
	pod("onfailure-bad", "OnFailure", "[exit, '1']")
	pod("always-good", "Always", "[exit, '0']")

	equal(t, "restarts of never", s.wait("never", lab.Failed).Container("main").RestartCount, 0)
	equal(t, "restarts of onfailure-good", s.wait("onfailure-good", lab.Succeeded).Container("main").RestartCount, 0)
	s.wait("onfailure-bad", lab.Restarted("main", 2))
	s.wait("always-good", lab.Restarted("main", 2))
}

// TestCrashLoopBackOff is where a container that fails and fails ends up.
func TestCrashLoopBackOff(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("loop", "restartPolicy: Always\ncontainers: [{name: main, image: 'registry.example/tiny/trap:1.0'}]")
	p := s.wait("loop", lab.Waiting("main", "CrashLoopBackOff"))
	last := p.Container("main").LastState.Terminated
	if last == nil || last.ExitCode != 134 {
		t.Errorf("last state: %+v, want exit code 134", last)
	}
	s.event("loop", "BackOff", "back-off")
}

// TestTerminationMessage comes from the file, or from the log of a program that
// failed without writing one.
func TestTerminationMessage(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	cases := map[string]struct{ spec, want string }{
		"file": {`
  args: [then, write, /dev/termination-log, last words, --, exit, "4"]`, "last words"},
		"custom": {`
  terminationMessagePath: /tmp/why
  args: [then, write, /tmp/why, because, --, exit, "4"]`, "because"},
		"empty": {`
  args: [then, err, in the log only, --, exit, "4"]`, ""},
		"fallback": {`
  terminationMessagePolicy: FallbackToLogsOnError
  args: [then, out, one, --, err, two, --, exit, "4"]`, "one\ntwo\n"},
	}
	for name, c := range cases {
		s.pod(name, "containers:\n- name: main\n  image: registry.example/probe:1.0"+c.spec)
	}
	for name, c := range cases {
		end := s.fails(name, 4)
		equal(t, "message of "+name, end.Message, c.want)
	}
}
