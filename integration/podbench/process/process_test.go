// SPDX-License-Identifier: Apache-2.0

package process

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestTime uses a processor here and in a child.
func TestTime(t *testing.T) {
	before, children, err := Time(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	busy, err := Busy()
	if err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done").Run(); err != nil {
		t.Fatal(err)
	}
	after, waited, deadline := before, children, time.Now().Add(time.Minute)
	for after == before && time.Now().Before(deadline) {
		if after, waited, err = Time(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if waited <= children || after <= before {
		t.Errorf("own %v, then %v; children %v, then %v", before, after, children, waited)
	}
	if now, err := Busy(); err != nil || now-busy < waited-children {
		t.Errorf("the machine was busy for %v, a child alone for %v (%v)", now-busy, waited-children, err)
	}
	if _, _, err := Time(-1); err == nil {
		t.Error("a process that is none has a time")
	}
}

func TestLook(t *testing.T) {
	m, err := Pods{Cgroup: "/no such cgroup"}.Look(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Pods) != 0 || m.PSS != 0 || m.Daemon <= 0 || m.Available <= 0 {
		t.Errorf("got %+v", m)
	}
	m = Memory{Pods: []float64{1, 2, 3}, PSS: 6}
	if got := m.PerPod(3); len(got) != 3 {
		t.Errorf("three processes of three pods are %v", got)
	}
	if got := m.PerPod(2); len(got) != 1 || got[0] != 3 {
		t.Errorf("three processes of two pods are %v", got)
	}
}
