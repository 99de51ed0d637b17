// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

func TestListeners(t *testing.T) {
	const ports = `[{"name":"http","containerPort":8080,"protocol":"TCP"},{"containerPort":53,"protocol":"UDP"},{"containerPort":9090}]`
	declared := []spec.Listener{{Name: "http", Network: "tcp", Address: ":8080"}, {Network: "tcp", Address: ":9090"}}
	for name, c := range map[string]struct {
		own, pod map[string]string
		want     []spec.Listener
	}{
		"nothing declared":     {},
		"declared ports":       {own: map[string]string{portsAnnotation: ports}, want: declared},
		"none, by the pod":     {own: map[string]string{portsAnnotation: ports}, pod: map[string]string{listenAnnotation: "none"}},
		"another's annotation": {own: map[string]string{portsAnnotation: ports}, pod: map[string]string{listenAnnotation + ".side": "none"}, want: declared},
		"by name before all": {
			pod:  map[string]string{listenAnnotation: "none", listenAnnotation + ".main": "api=tcp://127.0.0.1:80, dns=udp://[::]:53,:81"},
			want: []spec.Listener{{Name: "api", Network: "tcp", Address: "127.0.0.1:80"}, {Name: "dns", Network: "udp", Address: "[::]:53"}, {Network: "tcp", Address: ":81"}},
		},
		"own before the pod's": {
			own:  map[string]string{listenAnnotation: ":1"},
			pod:  map[string]string{listenAnnotation: ":2"},
			want: []spec.Listener{{Network: "tcp", Address: ":1"}},
		},
	} {
		got, err := listeners(Config{Name: "main", Annotations: c.own}, c.pod)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, %v; want %v", name, got, err, c.want)
		}
	}
}

func TestListenersThatCannotBe(t *testing.T) {
	for _, value := range []string{
		"8080", "sctp://:80", "http://:80", ":0", ":65536", "web:80", "a:b=:80", "a b=:80", ":80,,", "=tcp://", strings.Repeat(":80,", 100) + ":80",
	} {
		if _, err := listeners(Config{Annotations: map[string]string{listenAnnotation: value}}, nil); !errdefs.IsInvalidArgument(err) {
			t.Errorf("%.40q: got %v", value, err)
		}
	}
	if _, err := listeners(Config{Annotations: map[string]string{portsAnnotation: "[{"}}, nil); !errdefs.IsInvalidArgument(err) {
		t.Errorf("broken ports: got %v", err)
	}
}

func TestNetworkAnnotation(t *testing.T) {
	for value, want := range map[string]bool{"": false, "none": true} {
		if got, err := noDialing(map[string]string{networkAnnotation: value}); got != want || err != nil {
			t.Errorf("%q: got %v, %v", value, got, err)
		}
	}
	if _, err := noDialing(map[string]string{networkAnnotation: "off"}); !errdefs.IsInvalidArgument(err) {
		t.Errorf("got %v", err)
	}
}

// FuzzListen feeds the annotation's reader what people may write.
func FuzzListen(f *testing.F) {
	f.Add("http=tcp://0.0.0.0:8080,udp://:53")
	f.Add("none")
	f.Add("[::1]:80")
	f.Fuzz(func(t *testing.T, value string) {
		list, err := parseListen(value)
		if err == nil && len(list) > maxListeners {
			t.Errorf("%d listeners", len(list))
		}
	})
}
