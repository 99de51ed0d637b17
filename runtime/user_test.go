// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"slices"
	"testing"
)

func TestGroupsOf(t *testing.T) {
	for name, tt := range map[string]struct {
		user   User
		member []uint32
		want   []uint32
	}{
		"own group alone":                        {User{}, nil, []uint32{1000}},
		"merged":                                 {User{Groups: []int64{1234}}, []uint32{50000}, []uint32{1000, 50000, 1234}},
		"strict":                                 {User{Groups: []int64{1234}, StrictGroups: true}, []uint32{50000}, []uint32{1000, 1234}},
		"each once":                              {User{Groups: []int64{5, 1000, 5}}, []uint32{5, 1000}, []uint32{1000, 5}},
		"strict keeps what the pod names itself": {User{Groups: []int64{50000}, StrictGroups: true}, []uint32{50000}, []uint32{1000, 50000}},
	} {
		if got := tt.user.groupsOf(1000, tt.member); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
