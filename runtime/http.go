// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// Annotations of a container whose worker serves HTTP for it. Each may name
// its container (wazelet.dev/http.NAME), as wazelet.dev/listen may.
const (
	httpAnnotation            = "wazelet.dev/http"
	httpConcurrencyAnnotation = "wazelet.dev/http-concurrency"
	httpTimeoutAnnotation     = "wazelet.dev/http-timeout"

	wagi = "wagi" // the one way of serving there is

	defaultHTTPConcurrency = 8
	maxHTTPConcurrency     = 128
	defaultHTTPTimeout     = time.Minute
	maxHTTPTimeout         = time.Hour
)

// serving decides whether a container's worker serves on its listeners, and
// how; nil when the guest is on its own.
func serving(c Config, pod map[string]string, listeners []spec.Listener) (*spec.HTTP, error) {
	key, value := annotation(c, pod, httpAnnotation)
	refuse := func(key, value, want string) (*spec.HTTP, error) {
		return nil, fmt.Errorf("container %s: annotation %s: %q: %s: %w", c.Name, key, value, want, errdefs.ErrInvalidArgument)
	}
	switch {
	case value == "" || value == none:
		return nil, nil
	case value != wagi:
		return refuse(key, value, `want "wagi" or "none"`)
	case len(listeners) == 0:
		return refuse(key, value, fmt.Sprintf("the container declares no TCP port to serve on (%s.NAME means one container only)", httpAnnotation))
	case slices.ContainsFunc(listeners, func(l spec.Listener) bool { return l.Network != "tcp" }):
		return refuse(key, value, "HTTP is served on tcp alone, and the container has a udp listener")
	}
	h := &spec.HTTP{Concurrency: defaultHTTPConcurrency, Timeout: defaultHTTPTimeout}
	var err error
	if key, value := annotation(c, pod, httpConcurrencyAnnotation); value != "" {
		h.Concurrency, err = strconv.Atoi(value)
		if err != nil || h.Concurrency < 1 || h.Concurrency > maxHTTPConcurrency {
			return refuse(key, value, fmt.Sprintf("want 1 to %d", maxHTTPConcurrency))
		}
	}
	if key, value := annotation(c, pod, httpTimeoutAnnotation); value != "" {
		h.Timeout, err = time.ParseDuration(value)
		if err != nil || h.Timeout < time.Second || h.Timeout > maxHTTPTimeout {
			return refuse(key, value, fmt.Sprintf(`want a duration such as "30s", from 1s to %s`, maxHTTPTimeout))
		}
	}
	return h, nil
}

// annotation finds what is said to a container: its own word first, then its
// pod's, and in each the one with its name.
func annotation(c Config, pod map[string]string, key string) (said, value string) {
	for _, annotations := range []map[string]string{c.Annotations, pod} {
		for _, key := range []string{key + "." + c.Name, key} {
			if value, ok := annotations[key]; ok {
				return key, value
			}
		}
	}
	return key, ""
}
