// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/cri/nodeclient"
)

// pollPause lies between two looks at something that tells nobody when it is ready: a
// socket that appears, another program's health.
const pollPause = 200 * time.Millisecond

// poll looks until it is so, for as long as Options.Timeout; the error is the last
// look's.
func (o Options) poll(ctx context.Context, what string, look func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	for {
		err := look(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, err)
		case <-time.After(pollPause):
		}
	}
}

// verify waits until Wazelet answers for both sides, and holds what it shows against
// what ran before.
func (t *transaction) verify(ctx context.Context) error {
	own := t.plan.config.GRPC.Address
	err := t.poll(ctx, "wazelet at "+own, func(ctx context.Context) error {
		return t.at(own, func(c *nodeclient.Client) error {
			d, err := c.Describe(ctx)
			switch {
			case err != nil:
				return err
			case d.Name != "wazelet" || d.Version != t.Release:
				return fmt.Errorf("%s %s answers, not wazelet %s", d.Name, d.Version, t.Release)
			}
			for _, unmet := range d.Unmet { // for the network the kubelet waits itself, and others are notes
				if unmet.Type == "RuntimeReady" || unmet.Type == "UpstreamReady" {
					return fmt.Errorf("%s does not hold: %s", unmet.Type, unmet.Message)
				}
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	var shown []nodeclient.Process
	err = t.at(own, func(c *nodeclient.Client) (err error) {
		shown, err = c.Processes(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return t.compare(ctx, shown)
}

// compare says which of the runtime's processes are not shown as they were. One that
// ended by itself meanwhile is said, and is no fault.
func (n *node) compare(ctx context.Context, shown []nodeclient.Process) error {
	var now []nodeclient.Process
	err := n.at(n.endpoint, func(c *nodeclient.Client) (err error) {
		now, err = c.Processes(ctx)
		return err
	})
	if err != nil {
		return err
	}
	lost, ended := differences(n.before, shown, now)
	for _, p := range ended {
		n.say("ended meanwhile: %s", describe(p))
	}
	if len(lost) > 0 {
		names := make([]string, len(lost))
		for i, p := range lost {
			names[i] = describe(p)
		}
		return fmt.Errorf("not shown as before: %s", strings.Join(names, ", "))
	}
	n.say("%d processes of pods go on as they were", len(n.before)-len(ended))
	return nil
}

// differences holds processes against those before: lost are those that the runtime
// has, or that have changed, and that are not shown so; ended are those that it has no
// longer either.
func differences(before, shown, now []nodeclient.Process) (lost, ended []nodeclient.Process) {
	pids := func(list []nodeclient.Process) map[string]int {
		m := map[string]int{}
		for _, p := range list {
			m[p.ID] = p.PID
		}
		return m
	}
	seen, there := pids(shown), pids(now)
	for _, p := range before {
		pid, isShown := seen[p.ID]
		_, isThere := there[p.ID]
		switch {
		case isShown && pid == p.PID:
		case !isShown && !isThere:
			ended = append(ended, p)
		default:
			lost = append(lost, p)
		}
	}
	return lost, ended
}

func describe(p nodeclient.Process) string {
	if p.Name == "" {
		return fmt.Sprintf("pod %s (pid %d)", p.Pod, p.PID)
	}
	return fmt.Sprintf("container %s of pod %s (pid %d)", p.Name, p.Pod, p.PID)
}

// waitKubelet waits until the kubelet runs with a runtime's socket, and is well.
func (n *node) waitKubelet(ctx context.Context, endpoint string) error {
	pid := 0
	return n.poll(ctx, n.KubeletUnit, func(ctx context.Context) error {
		unit, err := n.services.look(ctx, n.KubeletUnit)
		switch {
		case err != nil:
			return err
		case !unit.active || unit.pid == 0:
			return errors.New("the kubelet does not run; its log tells why")
		case pid != 0 && unit.pid != pid:
			pid = unit.pid
			return errors.New("the kubelet does not stay up; its log tells why")
		}
		pid = unit.pid
		args, err := commandLine(n.Host, unit.pid)
		if err != nil {
			return err
		}
		kubelet, err := readKubelet(n.Host, args)
		if err != nil {
			return err
		}
		if got := kubelet.Endpoint(); got != endpoint {
			return fmt.Errorf("the kubelet uses %s, not %s: something else says so in its unit or configuration", got, endpoint)
		}
		return healthy(ctx, kubelet.Healthz())
	})
}

// healthy asks a health page.
func healthy(ctx context.Context, url string) error {
	if url == "" {
		return nil // turned off
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	return nil
}

func removeEmpty(dir string) error {
	err := os.Remove(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EBUSY) {
		return nil
	}
	return err
}
