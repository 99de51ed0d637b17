// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"errors"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

func TestServing(t *testing.T) {
	tcp := []spec.Listener{{Network: "tcp", Address: ":80"}}
	for name, c := range map[string]struct {
		own, pod map[string]string
		want     spec.HTTP // zero: the guest is on its own
	}{
		"nothing said":            {},
		"none":                    {pod: map[string]string{"wazelet.dev/http": "none"}},
		"another's":               {pod: map[string]string{"wazelet.dev/http.side": "wagi"}},
		"none by name before all": {pod: map[string]string{"wazelet.dev/http": "wagi", "wazelet.dev/http.main": "none"}},
		"defaults":                {pod: map[string]string{"wazelet.dev/http": "wagi"}, want: spec.HTTP{Concurrency: 8, Timeout: time.Minute}},
		"by name": {
			pod:  map[string]string{"wazelet.dev/http.main": "wagi", "wazelet.dev/http-concurrency.main": "128", "wazelet.dev/http-timeout": "90s"},
			want: spec.HTTP{Concurrency: 128, Timeout: 90 * time.Second},
		},
		"own before the pod's": {
			own:  map[string]string{"wazelet.dev/http": "wagi", "wazelet.dev/http-concurrency": "1"},
			pod:  map[string]string{"wazelet.dev/http": "none", "wazelet.dev/http-concurrency": "2"},
			want: spec.HTTP{Concurrency: 1, Timeout: time.Minute},
		},
	} {
		got, err := serving(Config{Name: "main", Annotations: c.own}, c.pod, tcp)
		if err != nil || (got != nil) != (c.want != spec.HTTP{}) || got != nil && *got != c.want {
			t.Errorf("%s: got %+v, %v; want %+v", name, got, err, c.want)
		}
	}
}

func TestServingThatCannotBe(t *testing.T) {
	tcp := []spec.Listener{{Network: "tcp", Address: ":80"}}
	for name, c := range map[string]struct {
		pod       map[string]string
		listeners []spec.Listener
	}{
		"another way":    {map[string]string{"wazelet.dev/http": "fcgi"}, tcp},
		"no port":        {map[string]string{"wazelet.dev/http": "wagi"}, nil},
		"udp":            {map[string]string{"wazelet.dev/http": "wagi"}, []spec.Listener{{Network: "udp", Address: ":80"}}},
		"nobody at once": {map[string]string{"wazelet.dev/http": "wagi", "wazelet.dev/http-concurrency": "0"}, tcp},
		"too many":       {map[string]string{"wazelet.dev/http": "wagi", "wazelet.dev/http-concurrency": "129"}, tcp},
		"no number":      {map[string]string{"wazelet.dev/http": "wagi", "wazelet.dev/http-concurrency": "two"}, tcp},
		"no time":        {map[string]string{"wazelet.dev/http": "wagi", "wazelet.dev/http-timeout": "0s"}, tcp},
		"no unit":        {map[string]string{"wazelet.dev/http": "wagi", "wazelet.dev/http-timeout": "30"}, tcp},
		"for ever":       {map[string]string{"wazelet.dev/http": "wagi", "wazelet.dev/http-timeout": "100h"}, tcp},
	} {
		if got, err := serving(Config{Name: "main"}, c.pod, c.listeners); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}
