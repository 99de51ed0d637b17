// SPDX-License-Identifier: Apache-2.0

package config

import (
	"math"
	"testing"
	"time"
)

func TestDurationIsWrittenShort(t *testing.T) {
	for value, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 90 * time.Second: "1m30s", 5 * time.Minute: "5m", time.Hour: "1h",
		time.Hour + time.Second: "1h0m1s", 10 * time.Minute: "10m", 100 * time.Hour: "100h", math.MaxInt64: "2562047h47m16.854775807s",
	} {
		text, err := Duration(value).MarshalText()
		if err != nil || string(text) != want {
			t.Errorf("%d is written %q (%v), want %q", value, text, err, want)
		}
		var back Duration
		if err := back.UnmarshalText(text); err != nil || back != Duration(value) {
			t.Errorf("%q is read as %d (%v)", text, back, err)
		}
	}
}

func TestByteSize(t *testing.T) {
	for text, want := range map[string]ByteSize{
		"0B": 0, "1B": 1, "1kB": 1000, "1KiB": 1024, "10MB": 10e6, "512MiB": 512 << 20, "2GiB": 2 << 30, "2 GiB": 2 << 30, "3TB": 3e12, "8TiB": 8 << 40,
	} {
		var got ByteSize
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q is read as %d (%v), want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "B", "1", "-1B", "+1B", "1.5GiB", "1gib", "1K", "0x1B", "1_0B", "8388608TiB", "9223372036854775808B"} {
		var got ByteSize
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}

func FuzzByteSize(f *testing.F) {
	f.Add(int64(0), "512MiB")
	f.Add(int64(math.MaxInt64), "8388607TiB")
	f.Add(int64(1000), " 1kB")
	f.Fuzz(func(t *testing.T, size int64, text string) {
		var parsed ByteSize
		if err := parsed.UnmarshalText([]byte(text)); err == nil && parsed < 0 {
			t.Errorf("%q is read as %d", text, parsed)
		}
		if size < 0 {
			return
		}
		written, err := ByteSize(size).MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back ByteSize
		if err := back.UnmarshalText(written); err != nil || back != ByteSize(size) {
			t.Errorf("%d is written %q and read as %d (%v)", size, written, back, err)
		}
	})
}
