// SPDX-License-Identifier: Apache-2.0

package dates

import (
	"strings"
	"testing"
	"time"
)

var now = time.Date(2024, 2, 29, 13, 5, 9, 123456789, time.UTC)

func TestFormat(t *testing.T) {
	for format, want := range map[string]string{
		"%Y-%m-%d %H:%M:%S": "2024-02-29 13:05:09", "%a %A %b %B %e": "Thu Thursday Feb February 29",
		"%s.%N %j %u %w %V %C": "1709211909.123456789 060 4 4 09 20", "%I:%M %p|%k|%l": "01:05 PM|13| 1",
		"%F %T %z %Z%%%n%t%": "2024-02-29 13:05:09 +0000 UTC%\n\t%", "Monday 2006 Jan": "Monday 2006 Jan",
	} {
		if got, err := Format(format, now); got != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", format, got, err, want)
		}
	}
	if got, err := Format("%Q", now); err == nil {
		t.Errorf("%%Q: %q", got)
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"@0": "1970-01-01T00:00:00Z", "2020-01-02": "2020-01-02T00:00:00Z", "2020-01-02 03:04": "2020-01-02T03:04:00Z",
		"2020-01-02T03:04:05+02:00": "2020-01-02T01:04:05Z", "yesterday": "2024-02-28T13:05:09Z", "14:00": "2024-02-29T14:00:00Z",
		"Thu, 02 Jan 2020 03:04:05 +0000": "2020-01-02T03:04:05Z", "now": "2024-02-29T13:05:09Z",
	} {
		if got, err := Parse(text, now); err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"nonsense", "@x", "@1e30", "2020-13-01", strings.Repeat(" ", maxText+1)} {
		if got, err := Parse(text, now); err == nil {
			t.Errorf("%.20q: %v", text, got)
		}
	}
}

func FuzzDates(f *testing.F) {
	f.Add("%Y-%m-%d", "@12")
	f.Add("%s%N%V%", "2020-01-02 03:04:05")
	f.Fuzz(func(t *testing.T, format, text string) {
		when, err := Parse(text, now)
		if err != nil {
			when = now
		}
		if got, err := Format(format, when); err == nil && len(got) > 64*len(format)+64 {
			t.Errorf("%q: %d bytes", format, len(got))
		}
	})
}
