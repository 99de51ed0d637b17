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
			if !isToken(r.method) || !strings.HasPrefix(r.path, "/") || strings.ContainsRune(r.path, 0) || !isVisible(r.target) {
				t.Fatalf("%+v", r)
			}
			if decoded, ok := unescapePath(escapePath(r.path)); !ok || decoded != r.path {
				t.Fatalf("%q escapes to %q", r.path, escapePath(r.path))
			}
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
