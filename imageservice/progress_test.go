// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/containerd/log"
	"github.com/sirupsen/logrus"

	"github.com/wazelet/wazelet/observe"
)

// lines is a log whose lines can be awaited.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// The log and the metrics tell of a pull while it goes on.
func TestPullTellsHowFarItIs(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", filesImage(t, nil, gzipLayer(t, file{name: "hello.wasm", body: noise(1 << 20)})))
	half, rest := make(chan struct{}), make(chan struct{})
	h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") {
			return false
		}
		body := h.stored(t, r)
		if len(body) < 1<<19 {
			return false
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:1<<19])
		_ = http.NewResponseController(w).Flush()
		close(half)
		<-rest
		_, _ = w.Write(body[1<<19:])
		return true
	})
	logged := make(lines, 1000)
	logger := logrus.New()
	logger.SetOutput(logged)
	logger.SetFormatter(&logrus.JSONFormatter{})
	s := newService(t, nil)
	s.progressEvery = 5 * time.Millisecond
	pulled := make(chan error, 1)
	go func() {
		_, err := s.Pull(log.WithLogger(t.Context(), logrus.NewEntry(logger)), h.ref("app:1"), nil)
		pulled <- err
	}()
	<-half
	for line := range logged {
		var said struct {
			Msg       string
			Ref       string `json:"image_ref"`
			Bytes, Of int64
		}
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if said.Msg == "image pull goes on" && said.Bytes >= 1<<19 {
			if said.Ref != h.ref("app:1") || said.Of <= said.Bytes {
				t.Errorf("said %s", line)
			}
			break
		}
	}
	answer := httptest.NewRecorder()
	observe.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if !strings.Contains(answer.Body.String(), "wazelet_image_pulls_in_progress 1\n") {
		t.Error("no pull is in progress by the metrics")
	}
	close(rest)
	if err := <-pulled; err != nil {
		t.Error(err)
	}
}
