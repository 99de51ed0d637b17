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
	"github.com/wazelet/wazelet/integration/podbench/kube"
	"github.com/wazelet/wazelet/integration/podbench/result"
)

// common are the options of every run.
type common struct {
	out, merge string
	sides      string
	wazelet    string
	only       string
	args       []string
}

// parse reads a run's options, whose own flags are defined before.
func (o *common) parse(flags *flag.FlagSet, out, only string, args []string) error {
	o.args = args
	flags.StringVar(&o.out, "o", out, "write the results to this file")
	flags.StringVar(&o.merge, "merge", "", "take the results into this file instead: what is measured again replaces what it had")
	flags.StringVar(&o.sides, "sides", "wazelet,containerd", "the sides, of wazelet, containerd and crun (containerd with crun and WasmEdge); the first is the one that is judged")
	flags.StringVar(&o.wazelet, "wazelet", "", "the wazelet binary, with wazelet-worker beside it (default bin/wazelet)")
	flags.StringVar(&o.only, "only", "", "only the measurements that begin with one of these, separated by commas: "+only)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("what is %s?", strings.Join(flags.Args(), " "))
	}
	return nil
}

// prefixes are those of the measurements to do.
func (o *common) prefixes() []string {
	if o.only == "" {
		return nil
	}
	return strings.Split(o.only, ",")
}

// options are those of a run with a client of our own.
type options struct {
	common
	plan drive.Plan
	// crun is the OCI runtime of the side crun, and its version.
	crun, crunVersion string
}

func parse(args []string) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("podbench", flag.ContinueOnError)
	flags.IntVar(&o.plan.Starts, "starts", 40, "pods one after the other, for each workload")
	flags.IntVar(&o.plan.SlowStarts, "slow-starts", 15, "the same for the large module")
	flags.IntVar(&o.plan.Batch, "batch", 24, "pods that four clients start together")
	flags.IntVar(&o.plan.Batches, "batches", 4, "how often they do")
	flags.IntVar(&o.plan.Pods, "pods", 100, "idle pods for memory")
	flags.IntVar(&o.plan.Listed, "listed", 500, "pods for the RPCs that list them")
	flags.DurationVar(&o.plan.Load, "load", 3*time.Second, "how long requests are counted, each time")
	flags.IntVar(&o.plan.Rounds, "rounds", 7, "how often requests are counted")
	err := o.parse(flags, ".cache/podbench.json", "start/small, memory, rpc …", args)
	o.plan.Only = o.prefixes()
	return o, err
}

// kubeletOptions are those of a run with a kubelet.
type kubeletOptions struct {
	common
	plan kube.Plan
}

func parseKubelet(args []string) (*kubeletOptions, error) {
	o := &kubeletOptions{}
	flags := flag.NewFlagSet("podbench kubelet", flag.ContinueOnError)
	flags.IntVar(&o.plan.Pods, "pods", 15, "pods one after the other, on each side")
	flags.IntVar(&o.plan.Both, "both", 60, "pods at once, on each side; 0 for none")
	flags.IntVar(&o.plan.Many, "many", 500, "pods at once on the first side; 0 for none")
	flags.IntVar(&o.plan.ManyNative, "many-native", 0, "the same on the other side, which takes long and 5 GB for 500; 0 for none")
	flags.IntVar(&o.plan.Rounds, "rounds", 3, "how often the sides take turns")
	flags.DurationVar(&o.plan.Idle, "idle", time.Minute, "how long idle pods are watched")
	err := o.parse(flags, ".cache/podbench-kubelet.json", "kubelet/pod, kubelet/ramp/500 …", args)
	o.plan.Only = o.prefixes()
	return o, err
}

// keep writes what was measured to where the options say.
func (o *common) keep(f *result.File) error {
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
