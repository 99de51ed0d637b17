// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wazelet/wazelet/integration/lab"
)

// TestLogs shows both streams in order, with and without times.
func TestLogs(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	// The log's format gives the last line the newline that it lacks.
	want := "first\nsecond\nthird\nno newline at the end\n"
	start := time.Now().Add(-time.Second)
	log := s.run("talker", `
containers:
- name: main
  image: registry.example/probe:1.0
  args: [then, out, first, --, err, second, --, out, third, --, raw, no newline at the end]
`)
	equal(t, "log", log, want)
	equal(t, "last line", s.logs("talker", "--tail=1"), "no newline at the end\n")

	var text []string
	last := start
	for line := range strings.Lines(s.logs("talker", "--timestamps")) {
		stamp, rest, _ := strings.Cut(line, " ")
		at, err := time.Parse(time.RFC3339Nano, stamp)
		if err != nil {
			t.Fatal(err)
		}
		if at.Before(last) || at.After(time.Now()) {
			t.Errorf("%s: not between the line before, %s, and now", stamp, last)
		}
		last = at
		text = append(text, rest)
	}
	equal(t, "log with times", strings.Join(text, ""), want)
	equal(t, "log since the future", s.logs("talker", "--since-time="+time.Now().Add(time.Minute).UTC().Format(time.RFC3339)), "")
}

// TestPreviousLog is that of the run before the last restart.
func TestPreviousLog(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("again", `
restartPolicy: OnFailure
containers:
- name: main
  image: registry.example/probe:1.0
  args: [then, append, /work/runs, "run\n", --, cat, /work/runs, --, rm, /work/done]
  volumeMounts: [{name: work, mountPath: /work}]
volumes: [{name: work, emptyDir: {}}]
`)
	s.wait("again", lab.Restarted("main", 1))
	s.until(func() error {
		log, err := cluster.Logs(s.ctx, s.name, "again", "--previous")
		if err == nil && !regexp.MustCompile(`^(run\n)+probe: .*/work/done`).MatchString(log) {
			err = fmt.Errorf("previous log: %q", log)
		}
		return err
	})
}

// TestFollowLog shows lines as they come and ends with the container.
func TestFollowLog(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("slow", `
containers:
- name: main
  image: registry.example/probe:1.0
  args: [then, out, one, --, sleep, 1s, --, err, two, --, sleep, 1s, --, out, three]
`)
	s.wait("slow", func(p *lab.Pod) bool { return lab.Running(p) || lab.Finished(p) })
	equal(t, "log", s.logs("slow", "--follow"), "one\ntwo\nthree\n")
	equal(t, "phase", s.wait("slow", lab.Finished).Status.Phase, "Succeeded")
}

// TestLongLines come back whole: the log's format splits them.
func TestLongLines(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	const width = 40_000
	log := s.run("wide", fmt.Sprintf("containers: [{name: main, image: 'registry.example/probe:1.0', args: [flood, '3', '%d']}]", width))
	lines := strings.Split(strings.TrimSuffix(log, "\n"), "\n")
	equal(t, "lines", len(lines), 3)
	for i, line := range lines {
		if len(line) != width || !strings.HasPrefix(line, fmt.Sprintf("%08d xx", i)) {
			t.Errorf("line %d has %d bytes and begins with %.20q", i, len(line), line)
		}
	}
}

// TestLogRotation loses no line: the kubelet renames the log of a container that
// writes all the time and asks for a new one.
func TestLogRotation(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("chatty", "containers: [{name: main, image: 'registry.example/probe:1.0', args: [tick, 200us]}]")
	pod := s.wait("chatty", lab.Running)
	dir := filepath.Join(cluster.PodLogs(), fmt.Sprintf("%s_chatty_%s", s.name, pod.Metadata.UID), "main")

	// Twice: a third rotation would drop the oldest, as the kubelet keeps three.
	s.until(func() error {
		rotated, err := filepath.Glob(filepath.Join(dir, "0.log.*"))
		if err == nil && len(rotated) < 2 {
			err = fmt.Errorf("rotated logs: %q, want two", rotated)
		}
		return err
	})
	id := containerID(t, pod, "main")
	s.kill(id)
	s.wait("chatty", lab.Finished)

	n := 0
	for _, file := range rotated(t, dir) {
		for _, line := range strings.Split(strings.TrimSuffix(file, "\n"), "\n") {
			n++
			if want := fmt.Sprintf(" stdout F tick %d", n); !strings.HasSuffix(line, want) {
				t.Fatalf("line %d is %q, want …%q", n, line, want)
			}
		}
	}
	if n < 1000 {
		t.Errorf("only %d lines", n)
	}
}

// rotated returns the content of a container's logs, oldest first.
func rotated(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "0.log*"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	names = append(names[1:], names[0]) // 0.log is the newest
	var contents []string
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var r io.Reader = bufio.NewReader(f)
		if strings.HasSuffix(name, ".gz") {
			if r, err = gzip.NewReader(f); err != nil {
				t.Fatal(err)
			}
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		contents = append(contents, string(content))
	}
	return contents
}
