// SPDX-License-Identifier: Apache-2.0

package faulty

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// through returns a proxy in front of a server that sends the text to whoever connects.
func through(t *testing.T, text string, fault Fault) *Proxy {
	t.Helper()
	server := listen(t)
	go func() {
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, text)
			conn.Close()
		}
	}()
	t.Cleanup(func() { server.Close() })
	return serve(t, server.Addr().String(), fault)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func serve(t *testing.T, address string, fault Fault) *Proxy {
	t.Helper()
	p := Serve(listen(t), func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}, fault)
	t.Cleanup(func() { p.Close() })
	return p
}

// received is what a client gets, and how it ends.
func received(t *testing.T, p *Proxy) (string, error) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", p.Address())
	if err != nil {
		return "", err // reset already
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil { // for what stalls
		t.Fatal(err)
	}
	raw, err := io.ReadAll(conn)
	return string(raw), err
}

func TestFaults(t *testing.T) {
	const text = "abcdefgh"
	for name, c := range map[string]struct {
		fault Fault
		want  string
		err   error
	}{
		"pass":     {Fault{}, text, nil},
		"stall":    {Fault{Do: Stall, After: 3}, "abc", os.ErrDeadlineExceeded},
		"truncate": {Fault{Do: Truncate, After: 3}, "abc", nil},
		"reset":    {Fault{Do: Reset, After: 3}, "abc", syscall.ECONNRESET},
		"corrupt":  {Fault{Do: Corrupt, After: 3}, "abceefgh", nil},
		"too late": {Fault{Do: Reset, After: 8}, text, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c.fault.Times = 1
			p := through(t, text, c.fault)
			got, err := received(t, p)
			if got != c.want && c.fault.Do != Reset || !errors.Is(err, c.err) { // what a reset overtakes is lost
				t.Errorf("%q, %v", got, err)
			}
			if got, err := received(t, p); got != text || err != nil {
				t.Errorf("the second time: %q, %v", got, err)
			}
			if want := min(int(c.fault.Do), 1); name != "too late" && p.Struck() != want {
				t.Errorf("struck %d times", p.Struck())
			}
		})
	}
}

func TestRedirect(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "there: "+r.URL.Path)
	}))
	defer target.Close()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "here: "+r.URL.Path)
	}))
	defer origin.Close()
	p := serve(t, strings.TrimPrefix(origin.URL, "http://"), Fault{Redirect: target.URL})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for path, want := range map[string]string{"/v2/a/manifests/1": "here: /v2/a/manifests/1", "/v2/a/blobs/b": "there: /v2/a/blobs/b"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.Address()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if string(body) != want || err != nil {
			t.Errorf("%s: %q, %v", path, body, err)
		}
	}
}

// Closing the proxy ends what stalls.
func TestClose(t *testing.T) {
	p := through(t, "abc", Fault{Do: Stall})
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for p.Struck() == 0 {
		time.Sleep(time.Millisecond) // nothing announces it
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if n, err := io.Copy(io.Discard, conn); n != 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%d bytes, %v", n, err)
	}
}
