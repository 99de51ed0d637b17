// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseSize reads a number of bytes (or lines) that is not negative: digits, then k, M or G for
// powers of 1024, kB, MB or GB for powers of 1000, b for 512, c or w for 1 or 2.
func ParseSize(text string) (int64, error) {
	i := 0
	for i < len(text) && text[i] >= '0' && text[i] <= '9' {
		i++
	}
	n, err := strconv.ParseInt(text[:i], 10, 64)
	factor, known := map[string]int64{
		"": 1, "c": 1, "w": 2, "b": 512, "k": 1 << 10, "K": 1 << 10, "M": 1 << 20, "m": 1 << 20, "G": 1 << 30,
		"kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
	}[text[i:]]
	if err != nil || !known || n > math.MaxInt64/factor {
		return 0, fmt.Errorf("%s: not a size", text)
	}
	return n * factor, nil
}

// ParseDuration reads a time as sleep has it: a number of seconds that may have a fraction, or with
// s, m, h, d behind it. "inf" and "infinity" are for ever.
func ParseDuration(text string) (time.Duration, error) {
	if text == "inf" || text == "infinity" {
		return math.MaxInt64, nil
	}
	number, unit := text, time.Second
	for suffix, u := range map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour} {
		if cut, ok := strings.CutSuffix(text, suffix); ok {
			number, unit = cut, u
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n >= 0) || strings.ContainsAny(number, "xXpP_nNiI") {
		return 0, fmt.Errorf("%s: not a time such as 1.5, 10s or 2m", text)
	}
	if n *= float64(unit); n >= math.MaxInt64 {
		return math.MaxInt64, nil
	}
	return time.Duration(n), nil
}

// Sleep waits; false: the command is to end.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
