// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// rounds is in how many ticks all readings are taken anew.
const rounds = int(maxAge/tick) - spare

// clock is something to measure: what it shows is when it was looked at. It can
// be gone, and it can take its time.
type clock struct {
	mu    sync.Mutex
	looks map[string]int
	gone  map[string]bool
	takes time.Duration
}

var errGone = errors.New("gone")

func (c *clock) look(ctx context.Context, id string) (time.Time, error) {
	at := time.Now()
	c.mu.Lock()
	takes, gone := c.takes, c.gone[id]
	c.looks[id]++
	c.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return at, ctx.Err()
	}
	if gone {
		return at, errGone
	}
	return at, nil
}

func (c *clock) looked(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.looks[id]
}

func newClock() *clock { return &clock{looks: map[string]int{}, gone: map[string]bool{}} }

// TestListsNeverWaitAndAreNeverOld: once measured, a thing that is asked for now
// and then is measured beside those who ask, evenly.
func TestListsNeverWaitAndAreNeverOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackground()
		defer b.close()
		c := newClock()
		r := newReadings(b, maxAge, sameTime, c.look)
		const things = 10 * rounds
		ask := func() (oldest time.Duration) {
			for i := range things {
				at, err := r.get(t.Context(), fmt.Sprint(i))
				if err != nil {
					t.Fatal(err)
				}
				oldest = max(oldest, time.Since(at))
			}
			return oldest
		}
		ask()
		c.mu.Lock()
		c.takes = time.Millisecond // who waits for it is seen
		c.mu.Unlock()
		for minute := range 5 {
			time.Sleep(time.Minute)
			start := time.Now()
			if oldest := ask(); oldest > maxAge {
				t.Errorf("minute %d: a reading is %s old", minute, oldest)
			}
			if waited := time.Since(start); waited > 0 {
				t.Errorf("minute %d: waited %s", minute, waited)
			}
		}
		// 300 s, every rounds seconds each, and one for who asked first.
		if n := c.looked("7"); n < 300/rounds-2 || n > 300/rounds+2 {
			t.Errorf("measured %d times in 300 s, want every %d s", n, rounds)
		}
	})
}

// TestWhoAsksTwiceSeesWhatWasUsedBetween: as crictl does to tell a rate. Who asks at the
// same time as another has the same.
func TestWhoAsksTwiceSeesWhatWasUsedBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackground()
		defer b.close()
		c := newClock()
		r := newReadings(b, maxAge, sameTime, c.look)
		ask := func() time.Time {
			var last time.Time
			for i := range 10 * rounds {
				at, err := r.get(t.Context(), fmt.Sprint(i))
				if err != nil {
					t.Fatal(err)
				}
				last = at
			}
			return last
		}
		ask()
		time.Sleep(time.Minute + tick/4) // between two renewals
		first := ask()
		time.Sleep(sameTime)
		if second := ask(); !second.Equal(first) {
			t.Errorf("at the same time: %s and %s", first, second)
		}
		time.Sleep(tick - sameTime)
		if third := ask(); !third.After(first) {
			t.Errorf("a second later: of %s again", third)
		}
	})
}

// TestNothingIsMeasuredForNobody: what is not asked for is dropped, and what is
// asked for again is measured then.
func TestNothingIsMeasuredForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackground()
		defer b.close()
		c := newClock()
		r := newReadings(b, maxAge, sameTime, c.look)
		if _, err := r.get(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(unasked + 2*tick)
		before := c.looked("a")
		time.Sleep(time.Hour)
		if n := c.looked("a"); n != before {
			t.Errorf("measured %d times while nobody asked", n-before)
		}
		at, err := r.get(t.Context(), "a")
		if err != nil || time.Since(at) != 0 {
			t.Errorf("asked after an hour: of %s, %v", at, err)
		}
		time.Sleep(maxAge)
		if n := c.looked("a"); n < before+2 {
			t.Error("not measured again once it was asked for")
		}
	})
}

// TestWhatIsGoneIsForgotten: an error is told to who asks, and not kept.
func TestWhatIsGoneIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackground()
		defer b.close()
		c := newClock()
		r := newReadings(b, maxAge, sameTime, c.look)
		if _, err := r.get(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		c.gone["a"] = true
		c.mu.Unlock()
		time.Sleep(maxAge)
		if _, err := r.get(t.Context(), "a"); !errors.Is(err, errGone) {
			t.Errorf("%v", err)
		}
		before := c.looked("a")
		time.Sleep(maxAge)
		if n := c.looked("a"); n != before {
			t.Errorf("looked at %d times after it was gone", n-before)
		}
	})
}

// TestTheEndWaitsForNoMeasurement: a measurement under way is cancelled, and none
// begins after the end.
func TestTheEndWaitsForNoMeasurement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackground()
		c := newClock()
		r := newReadings(b, maxAge, sameTime, c.look)
		if _, err := r.get(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		c.takes = time.Hour
		c.mu.Unlock()
		time.Sleep(2 * tick)
		start := time.Now()
		b.close()
		if waited := time.Since(start); waited > 0 {
			t.Errorf("waited %s", waited)
		}
		c.mu.Lock()
		c.takes = 0
		c.mu.Unlock()
		before := c.looked("b")
		if _, err := r.get(t.Context(), "b"); err != nil || c.looked("b") != before+1 {
			t.Errorf("asked after the end: %v", err)
		}
	})
}
