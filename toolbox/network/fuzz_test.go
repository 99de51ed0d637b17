// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /%41?q HTTP/1.0\nConnection: keep-alive\n\n",
		"GET http://a/b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		in := bufio.NewReaderSize(strings.NewReader(text), 64)
		for range 100 {
			r, err := readRequest(in)
			var bad *badRequest
			switch {
			case errors.Is(err, errClosed):
				return
			case errors.As(err, &bad):
				if phrases[bad.status] == "" {
					t.Fatalf("status %d has no phrase", bad.status)
				}
				return
			case err != nil:
				t.Fatal(err)
			}
			if !isToken(r.method) || !strings.HasPrefix(r.path, "/") || strings.ContainsAny(r.target, "\r\n ") {
				t.Fatalf("%+v", r)
			}
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("\x00\x01\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\x7f\x00\x00\x01"))
	f.Add([]byte("\x00\x01\x81\x80\x00\x00\x00\x02\x00\x00\x00\x00\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x05\x00\x02\xc0\x0c\x00\x00\x10\x00\x01\x00\x00\x00\x05\x00\x03\x02ab"))
	f.Fuzz(func(t *testing.T, message []byte) {
		records, err := parseAnswer(message, 1)
		if err != nil && len(records) > 0 {
			t.Error("records beside an error")
		}
		for _, r := range records {
			if len(r.name) > maxName || r.String() == "" {
				t.Errorf("%+v", r)
			}
		}
	})
}

func FuzzConnections(f *testing.F) {
	f.Add("  sl  local_address\n   0: 0100007F:1F90 00000000:0000 0A 00000000:00000001 00:00000000\n")
	f.Add("head\n 1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 07 0:0\n")
	f.Fuzz(func(t *testing.T, text string) {
		err := parseConnections(strings.NewReader(text), func(n connection) {
			if !n.local.IsValid() || !n.remote.IsValid() || stateName(n.state) == "" {
				t.Errorf("%+v", n)
			}
		})
		if err != nil && !errors.Is(err, bufio.ErrTooLong) {
			t.Error(err)
		}
	})
}

func FuzzChunks(f *testing.F) {
	f.Add("3\r\nabc\r\n0\r\n\r\n")
	f.Add("1;x=y\na\n0\n")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := io.Copy(io.Discard, &chunks{in: bufio.NewReader(strings.NewReader(text))})
		if n > int64(len(text)) {
			t.Errorf("%d bytes of %d, %v", n, len(text), err)
		}
	})
}

func FuzzURL(f *testing.F) {
	f.Add("http://host:80/path?q")
	f.Add("[::1]/x")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseURL(text)
		if err == nil && (a.host == "" || a.port == 0 || !strings.HasPrefix(a.target, "/") || strings.ContainsAny(a.target+hostOf(a), "\r\n ")) {
			t.Errorf("%q: %+v", text, a)
		}
	})
}
