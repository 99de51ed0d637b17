// SPDX-License-Identifier: Apache-2.0

package parts

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// line is one line of progress. On a terminal its clock runs; elsewhere it is
// written once at the start and once at the end, so that a log shows what a
// build is busy with.
type line struct {
	out   io.Writer
	text  string
	start time.Time
	stop  chan struct{}
	wg    sync.WaitGroup
}

func startLine(out io.Writer, text string) *line {
	l := &line{out: out, text: text, start: time.Now(), stop: make(chan struct{})}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		l.wg.Go(l.tick)
	} else {
		fmt.Fprintf(out, "%s ...\n", text)
	}
	return l
}

func (l *line) tick() {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		fmt.Fprintf(l.out, "\r%-50s %8s", l.text, seconds(time.Since(l.start)))
		select {
		case <-t.C:
		case <-l.stop:
			fmt.Fprint(l.out, "\r")
			return
		}
	}
}

func (l *line) end(err error) {
	close(l.stop)
	l.wg.Wait()
	result := "done"
	if err != nil {
		result = "FAILED"
	}
	fmt.Fprintf(l.out, "%-50s %8s %s\n", l.text, seconds(time.Since(l.start)), result)
}

func seconds(d time.Duration) string { return d.Round(time.Second / 10).String() }
