// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"testing"
	"time"
)

func TestRatesAreTakenOverAWindow(t *testing.T) {
	var r rates
	start := time.Unix(1000, 0)
	for _, step := range []struct {
		after time.Duration
		used  uint64
		want  int64 // -1 is unknown
	}{
		{0, 500, -1},
		{100 * time.Millisecond, 600, -1}, // too early to tell
		{time.Second, 2500, 2000},
		{2 * time.Second, 2500, 1000},
		{10 * time.Second, 10500, 1000},
		{11 * time.Second, 99999, 1000}, // within the window: what is known
		{30 * time.Second, 30500, 1000},
		{50 * time.Second, 30500, 0},
		{51 * time.Second, 100, -1}, // another counter under the same name
		{52 * time.Second, 200, 100},
	} {
		got := r.of("c", start.Add(step.after), step.used)
		if step.want < 0 && got == nil || got != nil && int64(*got) == step.want {
			continue
		}
		t.Errorf("after %s: %v, want %d", step.after, got, step.want)
	}
	r.forget("c")
	if got := r.of("c", start.Add(time.Hour), 1); got != nil || len(r.readings) != 1 {
		t.Errorf("after it was forgotten: %v, %v", got, r.readings)
	}
}
