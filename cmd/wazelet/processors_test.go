// SPDX-License-Identifier: Apache-2.0

package main

import (
	goruntime "runtime"
	"testing"
	"testing/synctest"
	"time"
)

// TestOneProcessorAtRest: the process has one for as long as nothing is worked at, and all
// of them as soon as something is.
func TestOneProcessorAtRest(t *testing.T) {
	t.Setenv("GOMAXPROCS", "3")
	defer goruntime.GOMAXPROCS(goruntime.GOMAXPROCS(3))
	synctest.Test(t, func(t *testing.T) {
		p := newProcessors()
		defer p.end()
		expect := func(want int) {
			t.Helper()
			synctest.Wait()
			if got := goruntime.GOMAXPROCS(0); got != want {
				t.Errorf("after %v there are %d processors, want %d", quiet, got, want)
			}
		}
		expect(3)
		time.Sleep(quiet)
		expect(1)
		first, second := p.begin(), p.begin()
		expect(3)
		first()
		time.Sleep(2 * quiet)
		expect(3)
		second()
		time.Sleep(quiet - time.Nanosecond)
		expect(3)
		time.Sleep(time.Nanosecond)
		expect(1)
	})
}
