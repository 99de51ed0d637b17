// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"

	"github.com/wazelet/wazelet/sandbox"
)

func TestTheServerIsForTheNodeAlone(t *testing.T) {
	for _, address := range []string{"", ":0", "0.0.0.0:0", "localhost:0", "127.0.0.1", "[::]:0", "192.0.2.1:80"} {
		if s, err := Listen(t.Context(), Options{Address: address}); !errdefs.IsInvalidArgument(err) {
			t.Errorf("%q: %v, %v", address, s, err)
		}
	}
	n := newNode(t)
	if _, err := Listen(t.Context(), Options{Address: n.Addr().String()}); err == nil || !strings.Contains(err.Error(), n.Addr().String()) {
		t.Errorf("an address in use: %v", err)
	}
}

func TestAURLIsGoodForOneUse(t *testing.T) {
	n := newNode(t)
	sb := n.pod("web", sandbox.NetworkPod)
	url := n.url(sb)
	dialSPDY(t, url)
	token := url[strings.LastIndex(url, "/")+1:]
	unused := n.url(sb)
	for _, used := range []string{
		url,
		strings.Replace(url, token, "guessing", 1),
		strings.Replace(unused, "portforward", "exec", 1), // spends it
		unused,
		strings.Replace(url, "portforward/"+token, "", 1),
	} {
		resp, err := http.Post(used, "", nil)
		must(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		must(t, errors.Join(err, resp.Body.Close()))
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", used, resp.Status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestURLsThatNobodyUsesAreBounded(t *testing.T) {
	n := newNode(t)
	sb := n.pod("web", sandbox.NetworkPod)
	var err error
	given := 0
	for ; err == nil && given < 5000; given++ {
		_, err = n.PortForward(&runtimeapi.PortForwardRequest{PodSandboxId: sb.ID})
	}
	if err == nil {
		t.Errorf("%d URLs were given out", given)
	}
}

func TestCloseEndsEveryStream(t *testing.T) {
	n := newNode(t)
	sb := n.pod("web", sandbox.NetworkPod)
	port := n.serveIn(sb, "127.0.0.1:0", echo)
	idle, busy := dialSPDY(t, n.url(sb)), dialSPDY(t, n.url(sb))
	c := busy.forward(port)
	c.say("ping")
	c.hear("ping")
	socket := dialWebSocket(t, n.url(sb, port))
	unused := n.url(sb)

	must(t, n.Close())
	for _, conn := range []*spdyConn{idle, busy} {
		select {
		case <-conn.CloseChan():
		case <-time.After(patience):
			t.Error("a connection stays")
		}
	}
	if _, err := io.Copy(io.Discard, socket); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the WebSocket stays: %v", err)
	}
	resp, err := http.Post(unused, "", nil)
	if err == nil {
		resp.Body.Close()
		t.Error("it is still served")
	}
	must(t, n.Close()) // again
	if err := (forwarder{life: n.life}).PortForward(t.Context(), sb.ID, port, nil); !errdefs.IsUnavailable(err) {
		t.Errorf("after the end: %v", err)
	}
}

// TestAStuckClientDoesNotHoldUpTheEnd is of a client that reads nothing of what
// a pod sends without end.
func TestAStuckClientDoesNotHoldUpTheEnd(t *testing.T) {
	n := newNode(t)
	sb := n.pod("web", sandbox.NetworkPod)
	port := n.serveIn(sb, "127.0.0.1:0", func(c *net.TCPConn) {
		for chunk := make([]byte, 32<<10); ; {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	})
	c := dialSPDY(t, n.url(sb)).forward(port)
	c.hear("\x00") // it flows, and then stands
	closed := make(chan error, 1)
	go func() { closed <- n.Close() }()
	select {
	case err := <-closed:
		must(t, err)
	case <-time.After(patience):
		t.Fatal("the server does not end")
	}
}

func TestTheLibraryLogsIntoTheDaemonsLog(t *testing.T) {
	adoptKlog()
	logger := logrus.StandardLogger()
	out, formatter, level := logger.Out, logger.Formatter, logger.Level
	t.Cleanup(func() { logger.SetOutput(out); logger.SetFormatter(formatter); logger.SetLevel(level) })
	logger.SetLevel(logrus.DebugLevel)
	var text bytes.Buffer
	logger.SetOutput(&text)
	logger.SetFormatter(&logrus.JSONFormatter{DisableTimestamp: true})
	klog.Background().WithValues("a", 1).Error(errors.New("cause"), "message", "b", "two")
	want := `{"a":1,"b":"two","error":"cause","level":"debug","msg":"streaming: message"}` + "\n"
	if text.String() != want {
		t.Errorf("the log has %s, want %s", &text, want)
	}
}
