// SPDX-License-Identifier: Apache-2.0

package result_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/wazelet/wazelet/integration/podbench/result"
)

func TestStats(t *testing.T) {
	s := result.Series{}
	for i := range 100 {
		s.Samples = append(s.Samples, float64(100-i))
	}
	want := result.Stats{N: 100, Min: 1, P25: 26, Median: 51, P75: 76, P99: 100, Max: 100}
	if got := s.Stats(); got != want {
		t.Errorf("got %+v", got)
	}
	if got := (*result.Series)(nil).Stats(); got != (result.Stats{}) {
		t.Errorf("nothing has %+v", got)
	}
}

func TestFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f.json")
	f := &result.File{Version: result.Version, Sides: []result.Side{{Name: "a"}}}
	f.Add("x", "a", "", "ms", 1, 2)
	f.Add("x", "a", "", "ms", 3)
	f.Add("y", "a", "p", "MB", 4)
	if err := f.Write(name); err != nil {
		t.Fatal(err)
	}
	g, err := result.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	if s := g.Find("x", "a", ""); s == nil || len(s.Samples) != 3 {
		t.Errorf("read %+v", g)
	}
	newer := &result.File{Sides: []result.Side{{Name: "a", Version: "2"}, {Name: "b"}}}
	newer.Add("x", "a", "", "ms", 9)
	g.Merge(newer)
	if s := g.Find("x", "a", ""); len(g.Series) != 2 || len(s.Samples) != 1 || s.Samples[0] != 9 || len(g.Sides) != 2 || g.Sides[0].Version != "2" {
		t.Errorf("merged %+v", g)
	}
	if err := os.WriteFile(name, []byte(`{"version":2,"sides":[{}]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := result.Read(name); err == nil {
		t.Error("a file of another version was read")
	}
}
