// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// result is what one example must come to.
type result struct {
	// wait are the arguments of kubectl wait.
	wait []string
	// logs are the arguments of kubectl logs, and log what they must show.
	logs []string
	log  []string
}

// results are those of examples/, in the order they are shown in.
var results = []result{
	{wait: phase("pod/hello", "Succeeded"), logs: []string{"hello"},
		log: []string{"Hello, world!", `Args are: ["from" "a pod"]`, "Env: GREETING=good morning"}},
	{wait: phase("pod/hello-module", "Succeeded"), logs: []string{"hello-module"},
		log: []string{"Hello, world!", `Args are: ["from" "a module"]`}},
	{wait: []string{"--for=condition=Available", "deployment/ticker"}, logs: []string{"deployment/ticker", "--tail=3"},
		log: []string{"ti"}},
	{wait: []string{"--for=condition=Complete", "job/sum"}, logs: []string{"job/sum"},
		log: []string{"part of the sum"}},
	{wait: []string{"--for=condition=Complete", "job/report-now"}, logs: []string{"job/report-now"},
		log: []string{"the report is done"}},
	{wait: phase("pod/volumes", "Succeeded"), logs: []string{"volumes"}, log: []string{"good morning"}},
	{wait: phase("pod/prepared", "Succeeded"), logs: []string{"prepared", "-c", "main"}, log: []string{"forty-two"}},
	{wait: phase("pod/modest", "Succeeded"), logs: []string{"modest"}, log: []string{"16777216"}},
	{wait: phase("pod/greedy", "Failed")},
}

func phase(pod, want string) []string {
	return []string{"--for=jsonpath={.status.phase}=" + want, pod}
}

// check waits for every example, shows the pods and their logs, and returns what
// is not as it should be.
func (d *demo) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var errs []error
	for _, r := range results {
		if err := d.cluster.Wait(ctx, r.wait...); err != nil {
			errs = append(errs, err)
		}
	}
	_, err := d.show(ctx, "get", "pods", "-o", "wide")
	errs = append(errs, err)
	for _, r := range results {
		if r.logs != nil {
			errs = append(errs, d.checkLog(ctx, r))
		}
	}
	errs = append(errs, d.checkGreedy(ctx))
	if ctx.Err() != nil {
		errs = append(errs, context.Cause(ctx))
	}
	return errors.Join(errs...)
}

func (d *demo) checkLog(ctx context.Context, r result) error {
	log, err := d.show(ctx, append([]string{"logs"}, r.logs...)...)
	if err != nil {
		return err
	}
	for _, want := range r.log {
		if !strings.Contains(log, want) {
			return fmt.Errorf("logs %s: no %q", r.logs[0], want)
		}
	}
	return nil
}

// checkGreedy looks at how the pod beyond its memory limit has ended.
func (d *demo) checkGreedy(ctx context.Context) error {
	pod, err := d.cluster.Pod(ctx, "default", "greedy")
	if err != nil {
		return err
	}
	status := pod.Container("greedy")
	if status == nil || status.State.Terminated == nil {
		return fmt.Errorf("pod greedy has not ended:\n%s", d.cluster.Describe("default", "greedy"))
	}
	if end := status.State.Terminated; end.Reason != "OOMKilled" || end.ExitCode != 137 {
		return fmt.Errorf("pod greedy ended with %s, exit code %d; want OOMKilled, 137", end.Reason, end.ExitCode)
	}
	fmt.Fprintln(d.out, "\nPod greedy, beyond its memory limit: OOMKilled, exit code 137.")
	return nil
}
