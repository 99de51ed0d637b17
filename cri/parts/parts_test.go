// SPDX-License-Identifier: Apache-2.0

package parts_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cri/parts"
)

func TestPartsAreBoundedAndKeepTheirOrder(t *testing.T) {
	big := strings.Repeat("x", parts.MostBytes/3)
	for name, tt := range map[string]struct {
		items []string
		sizes []int
	}{
		"none":      {nil, nil},
		"one":       {[]string{"a"}, []int{1}},
		"many":      {slices.Repeat([]string{"a"}, 2*parts.Most+1), []int{parts.Most, parts.Most, 1}},
		"full":      {slices.Repeat([]string{"a"}, parts.Most), []int{parts.Most}},
		"large":     {slices.Repeat([]string{big}, 5), []int{2, 2, 1}},
		"too large": {[]string{"a", strings.Repeat("x", 2*parts.MostBytes), "b"}, []int{1, 1, 1}},
	} {
		var items, sent []*runtimeapi.Container
		for i, text := range tt.items {
			items = append(items, &runtimeapi.Container{Id: fmt.Sprint(i), ImageId: text})
		}
		var sizes []int
		err := parts.Send(items, func(part []*runtimeapi.Container) error {
			sizes = append(sizes, len(part))
			sent = append(sent, part...)
			return nil
		})
		if err != nil || !slices.Equal(sizes, tt.sizes) || !slices.Equal(sent, items) {
			t.Errorf("%s: parts of %v, %v; want %v", name, sizes, err, tt.sizes)
		}
	}
	broken := io.ErrClosedPipe
	if err := parts.Send([]*runtimeapi.Container{{}}, func([]*runtimeapi.Container) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("a client that has gone: %v", err)
	}
}
