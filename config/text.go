// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of time, written as Go writes it: "90s", "1h30m".
type Duration time.Duration

// UnmarshalText reads a duration as time.ParseDuration does.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf(`%q is not a duration such as "90s" or "5m"`, text)
	}
	*d = Duration(parsed)
	return nil
}

// MarshalText writes the shortest form: 5m rather than 5m0s.
func (d Duration) MarshalText() ([]byte, error) {
	text := time.Duration(d).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return []byte(text), nil
}

// ByteSize is a number of bytes, written with a unit: "512MiB", "2GiB", "10MB".
type ByteSize int64

// byteUnits are the units of ByteSize, largest first. Powers of 1024 come
// before powers of 1000, because sizes are written in the first that divides
// them.
var byteUnits = []struct {
	suffix string
	bytes  int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3},
	{"B", 1},
}

var errByteSize = errors.New(`not a size such as "512MiB" or "2GiB"`)

// UnmarshalText reads a whole number and a unit: B, kB, MB, GB, TB (powers of
// 1000), KiB, MiB, GiB, TiB (powers of 1024).
func (s *ByteSize) UnmarshalText(text []byte) error {
	for _, unit := range byteUnits {
		number, found := strings.CutSuffix(string(text), unit.suffix)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimRight(number, " "), 10, 63)
		if err != nil || int64(n) > math.MaxInt64/unit.bytes {
			return fmt.Errorf("%q is %w", text, errByteSize)
		}
		*s = ByteSize(int64(n) * unit.bytes)
		return nil
	}
	return fmt.Errorf("%q is %w", text, errByteSize)
}

// MarshalText writes the size in the largest unit that divides it.
func (s ByteSize) MarshalText() ([]byte, error) {
	for _, unit := range byteUnits {
		if s != 0 && int64(s)%unit.bytes == 0 {
			return fmt.Appendf(nil, "%d%s", int64(s)/unit.bytes, unit.suffix), nil
		}
	}
	return []byte("0B"), nil
}
