// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/pem"
	"fmt"
	"io"
	stdlog "log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestAGuestMakesRequests to where it may, with the certificates that it is shown.
func TestAGuestMakesRequests(t *testing.T) {
	greet := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hello from %s\n", r.URL) })
	plain, secure := httptest.NewServer(greet), httptest.NewUnstartedServer(greet)
	defer plain.Close()
	secure.Config.ErrorLog = stdlog.New(io.Discard, "", 0) // of guests that do not trust it
	secure.StartTLS()
	defer secure.Close()
	const greeting = "200 text/plain; charset=utf-8 hello from /there\n"
	each(t, func(t *testing.T, u user) {
		got := u.run(t, "", "--allow-http", plain.URL, fetchModule, "GET "+plain.URL+"/there", "GET "+secure.URL+"/there")
		if got.stdout != greeting+"error 7\n" || got.code != 0 || !strings.HasSuffix(got.stderr, "HTTP request "+secure.URL+"/there: its destination is not allowed\n") {
			t.Errorf("%+v", got)
		}
		if got := u.run(t, "", fetchModule, "GET "+plain.URL+"/there"); got.stdout != "error 7\n" {
			t.Errorf("without --allow-http: %+v", got)
		}
		ca := u.write(t, "ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))
		got = u.run(t, "", "--allow-http", "*", "--dir", ca+":/etc/ssl/certs/ca-certificates.crt", fetchModule, "GET "+secure.URL+"/there")
		if got.stdout != greeting {
			t.Errorf("over TLS: %+v", got)
		}
		got = u.run(t, "", "--allow-http", "*", fetchModule, "GET "+secure.URL+"/there")
		if got.stdout != "error 11\n" || !strings.Contains(got.stderr, "certificate") {
			t.Errorf("over TLS, to somebody unknown: %+v", got)
		}
	})
	if got := newUser(t, 0).run(t, "", "--allow-http", "ftp://a.example", fetchModule); got.code != 125 || !strings.Contains(got.stderr, "--allow-http") {
		t.Errorf("a scheme that is none: %+v", got)
	}
}
