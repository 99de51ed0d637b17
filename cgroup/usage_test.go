// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// hierarchies are files of version 1, as the kernel writes them.
var hierarchies = map[string]string{
	"cpuacct.usage": "123456789\n", "memory.usage_in_bytes": "1000\n", "memory.limit_in_bytes": "4000\n",
	"memory.memsw.usage_in_bytes": "1200\n", "memory.memsw.limit_in_bytes": "5000\n",
	"memory.stat": "cache 500\nrss 1\nhierarchical_memory_limit 4000\ntotal_rss 300\ntotal_inactive_file 440\ntotal_pgfault 5\ntotal_pgmajfault 1\n",
}

// group is files of version 2.
var group = map[string]string{
	"cpu.stat": "usage_usec 123456\nuser_usec 100000\nsystem_usec 23456\n", "memory.current": "1000\n", "memory.max": "4000\n",
	"memory.swap.current": "200\n", "memory.swap.max": "1000\n",
	"memory.stat":  "anon 300\nfile 500\ninactive_file 440\npgfault 5\npgmajfault 1\n",
	"cpu.pressure": "some avg10=1.50 avg60=2.25 avg300=3.00 total=7\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n",
}

// unlimited is what version 1 says for no limit.
const unlimited = "9223372036854771712\n"

func TestUsageIsReadFromFiles(t *testing.T) {
	swap, none := uint64(1000), uint64(0)
	memory := Usage{
		MemoryUsage: 1000, MemoryWorkingSet: 560, MemoryRSS: 300, PageFaults: 5, MajorPageFaults: 1, MemoryLimit: 4000, SwapUsage: 200, SwapLimit: &swap,
	}
	with := func(change func(*Usage)) Usage {
		u := memory
		change(&u)
		return u
	}
	pressed := &Pressure{Some: PressureTime{Avg10: 1.5, Avg60: 2.25, Avg300: 3, Total: 7}, Full: PressureTime{Total: 1}}
	for name, tt := range map[string]struct {
		files  map[string]string
		change map[string]string // "" is a file that is not there
		read   func(*Usage, *reader, string) error
		want   Usage
	}{
		"v1": {hierarchies, nil, readV1, with(func(u *Usage) { u.CPUUsageNano = 123456789 })},
		"v1 without limits": {
			hierarchies, map[string]string{"memory.limit_in_bytes": unlimited, "memory.memsw.limit_in_bytes": unlimited}, readV1,
			with(func(u *Usage) { u.CPUUsageNano, u.MemoryLimit, u.SwapLimit = 123456789, 0, nil }),
		},
		"v1 without accounting of swap": {
			hierarchies, map[string]string{"memory.memsw.usage_in_bytes": "", "memory.memsw.limit_in_bytes": ""}, readV1,
			with(func(u *Usage) { u.CPUUsageNano, u.SwapUsage, u.SwapLimit = 123456789, 0, nil }),
		},
		"v2": {group, nil, (*Usage).readUnified, with(func(u *Usage) { u.CPUUsageNano, u.CPUPressure = 123456000, pressed })},
		"v2 without limits": {
			group, map[string]string{"memory.max": "max\n", "memory.swap.max": "max\n", "cpu.pressure": ""}, (*Usage).readUnified,
			with(func(u *Usage) { u.CPUUsageNano, u.MemoryLimit, u.SwapLimit = 123456000, 0, nil }),
		},
		"v2 without swap": {
			group, map[string]string{"memory.swap.max": "0\n", "memory.swap.current": "0\n", "cpu.pressure": ""}, (*Usage).readUnified,
			with(func(u *Usage) { u.CPUUsageNano, u.SwapUsage, u.SwapLimit = 123456000, 0, &none }),
		},
		"v2 without controllers": {
			map[string]string{"cpu.stat": group["cpu.stat"]}, nil, (*Usage).readUnified, Usage{CPUUsageNano: 123456000},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files := maps.Clone(tt.files)
			maps.Copy(files, tt.change)
			for file, text := range files {
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r := newReader()
			defer r.close()
			var got Usage
			if err := tt.read(&got, r, dir); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func readV1(u *Usage, r *reader, dir string) error { return u.readHierarchies(r, dir, dir) }

// TestAFileMayBeLongerThanTheBuffer: with as many lines as a later kernel may have.
func TestAFileMayBeLongerThanTheBuffer(t *testing.T) {
	dir := t.TempDir()
	var text []byte
	for len(text) < 20<<10 {
		text = append(text, "some_counter 1\n"...)
	}
	if err := os.WriteFile(filepath.Join(dir, "memory.stat"), append(text, "total_rss 300\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newReader()
	defer r.close()
	if err := r.enter(dir); err != nil {
		t.Fatal(err)
	}
	var last uint64
	if err := r.pairs("memory.stat", func(_ []byte, value uint64) { last = value }); err != nil || last != 300 {
		t.Errorf("%d, %v", last, err)
	}
}

func FuzzNumbers(f *testing.F) {
	for _, text := range []string{"", "0\n", "max\n", "18446744073709551615\n", "18446744073709551616", "-1", "1 2", group["cpu.pressure"], "some avg10=x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := parseNumber([]byte(text)); err != nil && n != 0 && n != 1<<64-1 {
			t.Errorf("%d, %v", n, err)
		}
		if p, err := parsePressure([]byte(text)); (p == nil) != (err != nil) {
			t.Errorf("%v, %v", p, err)
		}
	})
}
