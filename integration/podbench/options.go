// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/wazelet/wazelet/integration/podbench/drive"
	"github.com/wazelet/wazelet/integration/podbench/result"
)

// options are those of a run.
type options struct {
	out, merge string
	sides      string
	wazelet    string
	plan       drive.Plan
	// crun is the OCI runtime of the side crun, and its version.
	crun, crunVersion string
	args              []string
}

func parse(args []string) (*options, error) {
	o := &options{args: args}
	var only string
	flags := flag.NewFlagSet("podbench", flag.ContinueOnError)
	flags.StringVar(&o.out, "o", ".cache/podbench.json", "write the results to this file")
	flags.StringVar(&o.merge, "merge", "", "take the results into this file instead: what is measured again replaces what it had")
	flags.StringVar(&o.sides, "sides", "wazelet,containerd", "the sides, of wazelet, containerd and crun (containerd with crun and WasmEdge); the first is the one that is judged")
	flags.StringVar(&o.wazelet, "wazelet", "", "the wazelet binary, with wazelet-worker beside it (default bin/wazelet)")
	flags.StringVar(&only, "only", "", "only the measurements that begin with one of these, separated by commas: start/small, memory, rpc …")
	flags.IntVar(&o.plan.Starts, "starts", 40, "pods one after the other, for each workload")
	flags.IntVar(&o.plan.SlowStarts, "slow-starts", 15, "the same for the large module")
	flags.IntVar(&o.plan.Batch, "batch", 24, "pods that four clients start together")
	flags.IntVar(&o.plan.Batches, "batches", 4, "how often they do")
	flags.IntVar(&o.plan.Pods, "pods", 100, "idle pods for memory")
	flags.IntVar(&o.plan.Listed, "listed", 500, "pods for the RPCs that list them")
	flags.DurationVar(&o.plan.Load, "load", 3*time.Second, "how long requests are counted, each time")
	flags.IntVar(&o.plan.Rounds, "rounds", 7, "how often requests are counted")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("what is %s?", strings.Join(flags.Args(), " "))
	}
	if only != "" {
		o.plan.Only = strings.Split(only, ",")
	}
	return o, nil
}

// keep writes what was measured to where the options say.
func (o *options) keep(f *result.File) error {
	f.Options = o.args
	if o.merge == "" {
		fmt.Fprintln(os.Stderr, "bench: written to", o.out)
		return f.Write(o.out)
	}
	old, err := result.Read(o.merge)
	if errors.Is(err, fs.ErrNotExist) {
		return f.Write(o.merge)
	}
	if err != nil {
		return err
	}
	old.Merge(f)
	return old.Write(o.merge)
}
