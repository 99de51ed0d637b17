// SPDX-License-Identifier: Apache-2.0

// Package dates reads and writes dates as date and touch do.
package dates

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// layouts are the forms of a date that are read.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 MST",
	"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02", "15:04:05", "15:04",
	time.RFC1123Z, time.RFC1123, time.UnixDate, time.ANSIC,
}

// maxText bounds a date, and a format.
const maxText = 4096

// Parse reads a date: @SECONDS, now, today, yesterday, tomorrow, or one of the usual forms.
func Parse(text string, now time.Time) (time.Time, error) {
	if len(text) > maxText {
		return time.Time{}, fmt.Errorf("a date of %d bytes", len(text))
	}
	text = strings.TrimSpace(text)
	if seconds, ok := strings.CutPrefix(text, "@"); ok {
		n, err := strconv.ParseFloat(seconds, 64)
		if err == nil && n > -1<<40 && n < 1<<40 {
			whole := int64(n)
			return time.Unix(whole, int64((n-float64(whole))*1e9)).In(now.Location()), nil
		}
	}
	switch text {
	case "", "now":
		return now, nil
	case "today":
		return now, nil
	case "yesterday":
		return now.AddDate(0, 0, -1), nil
	case "tomorrow":
		return now.AddDate(0, 0, 1), nil
	}
	for _, layout := range layouts {
		parsed, err := time.ParseInLocation(layout, text, now.Location())
		if err != nil {
			continue
		}
		if strings.HasPrefix(layout, "15:04") {
			parsed = time.Date(now.Year(), now.Month(), now.Day(), parsed.Hour(), parsed.Minute(), parsed.Second(), 0, now.Location())
		}
		return parsed, nil
	}
	return time.Time{}, fmt.Errorf("%s: not a date", text)
}

// verbs are the conversions of Format that are one of Go's layouts.
var verbs = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'h': "Jan", 'c': time.ANSIC, 'd': "02", 'D': "01/02/06",
	'e': "_2", 'F': "2006-01-02", 'H': "15", 'I': "03", 'm': "01", 'M': "04", 'p': "PM", 'r': "03:04:05 PM",
	'R': "15:04", 'S': "05", 'T': "15:04:05", 'X': "15:04:05", 'x': "01/02/06", 'y': "06", 'Y': "2006", 'z': "-0700", 'Z': "MST",
}

// Format writes a date in the form of date(1): %Y-%m-%d and so on.
func Format(format string, t time.Time) (string, error) {
	if len(format) > maxText {
		return "", fmt.Errorf("a format of %d bytes", len(format))
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		if layout, ok := verbs[format[i]]; ok {
			b.WriteString(t.Format(layout))
			continue
		}
		text, err := number(format[i], t)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// number is what no layout of Go's can say.
func number(verb byte, t time.Time) (string, error) {
	_, week := t.ISOWeek()
	switch verb {
	case '%':
		return "%", nil
	case 'n':
		return "\n", nil
	case 't':
		return "\t", nil
	case 's':
		return strconv.FormatInt(t.Unix(), 10), nil
	case 'N':
		return fmt.Sprintf("%09d", t.Nanosecond()), nil
	case 'j':
		return fmt.Sprintf("%03d", t.YearDay()), nil
	case 'u':
		return strconv.Itoa((int(t.Weekday())+6)%7 + 1), nil
	case 'w':
		return strconv.Itoa(int(t.Weekday())), nil
	case 'V':
		return fmt.Sprintf("%02d", week), nil
	case 'C':
		return fmt.Sprintf("%02d", t.Year()/100), nil
	case 'k':
		return fmt.Sprintf("%2d", t.Hour()), nil
	case 'l':
		return fmt.Sprintf("%2d", (t.Hour()+11)%12+1), nil
	}
	return "", fmt.Errorf("%%%c: not supported", verb)
}
