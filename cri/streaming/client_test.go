// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/websocket"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// patience bounds each wait of a test; nothing normally comes near it.
const patience = 20 * time.Second

// spdyConn is what kubectl port-forward has to one pod: one connection for any
// number of forwarded ones.
type spdyConn struct {
	httpstream.Connection
	t    *testing.T
	last atomic.Int64
}

// forwarded is one forwarded connection as kubectl sees it.
type forwarded struct {
	httpstream.Stream
	t      *testing.T
	errors httpstream.Stream
}

// dialSPDY opens the stream of a URL as kubectl and the kubelet do.
func dialSPDY(t *testing.T, url string) *spdyConn {
	t.Helper()
	transport, err := spdy.NewRoundTripper(nil)
	must(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
	must(t, err)
	req.Header.Set(httpstream.HeaderProtocolVersion, portforward.ProtocolV1Name)
	resp, err := (&http.Client{Transport: transport}).Do(req)
	must(t, err)
	defer resp.Body.Close()
	conn, err := transport.NewConnection(resp)
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	return &spdyConn{Connection: conn, t: t}
}

// forward opens a connection to a port: a stream for errors and one for data.
func (c *spdyConn) forward(port int32) *forwarded {
	c.t.Helper()
	header := http.Header{}
	header.Set(portforward.PortHeader, strconv.Itoa(int(port)))
	header.Set(portforward.PortForwardRequestIDHeader, strconv.FormatInt(c.last.Add(1), 10))
	header.Set(portforward.StreamType, portforward.StreamTypeError)
	failed, err := c.CreateStream(header)
	must(c.t, err)
	must(c.t, failed.Close()) // nothing is ever written to it from here
	header.Set(portforward.StreamType, portforward.StreamTypeData)
	data, err := c.CreateStream(header)
	must(c.t, err)
	return &forwarded{Stream: data, t: c.t, errors: failed}
}

// all reads to the end of a reader.
func all(t *testing.T, r io.Reader) string {
	t.Helper()
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := io.ReadAll(r)
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		must(t, r.err)
		return string(r.text)
	case <-time.After(patience):
		t.Fatal("the end does not come")
		return ""
	}
}

// say writes a text.
func (f *forwarded) say(text string) {
	f.t.Helper()
	_, err := io.WriteString(f, text)
	must(f.t, err)
}

// hear reads exactly the text.
func (f *forwarded) hear(want string) {
	f.t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(f, got); err != nil || string(got) != want {
		f.t.Fatalf("heard %q, %v; want %q", got, err, want)
	}
}

// ends waits for the end of a connection that brings no more data, gives it up as
// kubectl does, and returns what the error stream has to say.
func (f *forwarded) ends() string {
	f.t.Helper()
	if rest := all(f.t, f); rest != "" {
		f.t.Errorf("there was more: %q", rest)
	}
	must(f.t, f.Reset())
	return all(f.t, f.errors)
}

// dialWebSocket opens the stream of a URL as browsers do. Data and errors of the
// first port are channels 0 and 1.
func dialWebSocket(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	config, err := websocket.NewConfig(strings.Replace(url, "http", "ws", 1), "http://localhost")
	must(t, err)
	config.Protocol = []string{"v4.channel.k8s.io"}
	conn, err := config.DialContext(t.Context())
	must(t, err)
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	t.Cleanup(func() { conn.Close() })
	for channel := range byte(2) { // both begin with the port
		if got := frame(t, conn); len(got) != 3 || got[0] != channel {
			t.Fatalf("channel %d begins with %q", channel, got)
		}
	}
	return conn
}

// frame is the next message of a WebSocket: a channel and its data.
func frame(t *testing.T, conn *websocket.Conn) []byte {
	t.Helper()
	var message []byte
	must(t, websocket.Message.Receive(conn, &message))
	return message
}
