// SPDX-License-Identifier: Apache-2.0

package mixed_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/lab"
)

// podStats is the part of the kubelet's summary of a pod that is looked at.
type podStats struct {
	PodRef  struct{ Name, Namespace string }
	CPU     struct{ UsageCoreNanoSeconds uint64 }
	Memory  struct{ WorkingSetBytes uint64 }
	Network struct {
		Name             string
		RxBytes, TxBytes uint64
	}
	Containers []struct {
		Name   string
		CPU    struct{ UsageCoreNanoSeconds uint64 }
		Memory struct{ WorkingSetBytes uint64 }
	}
}

// measured are pods of two containers each; those of the hybrid one are of both kinds.
var measured = map[string]string{
	"wasm":   "runtimeClassName: wasm\ncontainers: [WASM, {name: side, image: " + toolbox + ", command: [sleep, '600']}]",
	"native": "containers: [NATIVE, {name: side, image: " + busybox + ", command: [sleep, '600']}]",
	"hybrid": "runtimeClassName: hybrid\ncontainers: [WASM, {name: side, image: " + busybox + ", command: [sleep, '600']}]",
	"other":  "runtimeClassName: runc-other\ncontainers: [NATIVE, {name: side, image: " + busybox + ", command: [sleep, '600']}]",
}

// TestTopAndSummary: kubectl top and the kubelet's summary and metrics, which are from
// CRI alone, know each container of each kind.
func TestTopAndSummary(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	server := "{name: web, image: IMAGE, ports: [{name: http, containerPort: 8080}], resources: {requests: {cpu: 10m}}}"
	for name, spec := range measured {
		spec = replace(spec, "WASM", replace(server, "IMAGE", webWasm))
		s.pod(name, "terminationGracePeriodSeconds: 1\n"+replace(spec, "NATIVE", replace(server, "IMAGE", webNative)))
	}
	ips := map[string]string{}
	for name := range measured {
		ips[name] = s.wait(name, lab.Ready).Status.PodIP
	}
	s.until(func() error {
		for name, ip := range ips {
			if _, err := get(s.ctx, "http://"+ip+":8080/burn?d=100ms"); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		all, err := s.summary()
		if err != nil {
			return err
		}
		for name := range measured {
			if err := all[name].complete(); err != nil {
				return fmt.Errorf("%s: %w: %+v", name, err, all[name])
			}
		}
		return nil
	})
	s.until(func() error {
		out, err := cluster.Kubectl(s.ctx, "top", "pod", "--containers", "--namespace", s.name)
		if err != nil {
			return err
		}
		for name := range measured {
			for _, container := range []string{"web", "side"} {
				if row := regexp.MustCompile(`(?m)^` + name + `\s+` + container + `\s+\d+m\s+\d+Mi\s*$`); !row.MatchString(out.Stdout) {
					return fmt.Errorf("kubectl top has no %s of %s:\n%s", container, name, out.Stdout)
				}
			}
		}
		return nil
	})
	contains(t, "kubectl top node", s.kubectl("top", "node"), cluster.Node())
	text, err := cluster.Kubelet(s.ctx, "/metrics/cadvisor")
	must(t, err)
	for name := range measured {
		for _, want := range []string{`container="web"`, `container="side"`} {
			if !hasSeries(text, "container_cpu_usage_seconds_total", want, `pod="`+name+`"`, `namespace="`+s.name+`"`) {
				t.Errorf("/metrics/cadvisor has no CPU time of %s of %s", want, name)
			}
		}
	}
}

// summary returns what the kubelet's summary says of the namespace's pods.
func (s *space) summary() (map[string]podStats, error) {
	text, err := cluster.Kubelet(s.ctx, "/stats/summary")
	if err != nil {
		return nil, err
	}
	var all struct{ Pods []podStats }
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, err
	}
	own := map[string]podStats{}
	for _, p := range all.Pods {
		if p.PodRef.Namespace == s.name {
			own[p.PodRef.Name] = p
		}
	}
	return own, nil
}

// complete says what is missing in the summary of a pod whose container web computes
// now and then. What the pod has used is what its containers have, or more.
func (p podStats) complete() error {
	if p.Network.Name != "eth0" || p.Network.RxBytes == 0 || p.Network.TxBytes == 0 {
		return fmt.Errorf("network %+v", p.Network)
	}
	seen := map[string]bool{}
	var cpu, memory uint64
	for _, c := range p.Containers {
		seen[c.Name] = true
		cpu += c.CPU.UsageCoreNanoSeconds
		memory += c.Memory.WorkingSetBytes
		if c.CPU.UsageCoreNanoSeconds == 0 || c.Memory.WorkingSetBytes == 0 || c.Name == "web" && c.CPU.UsageCoreNanoSeconds < 1e8 {
			return fmt.Errorf("container %+v", c)
		}
	}
	if len(p.Containers) != 2 || !seen["web"] || !seen["side"] {
		return fmt.Errorf("%d containers", len(p.Containers))
	}
	if p.CPU.UsageCoreNanoSeconds < cpu-cpu/10 || p.Memory.WorkingSetBytes < memory/2 {
		return fmt.Errorf("the pod has less than its containers: CPU time %d of %d, memory %d of %d",
			p.CPU.UsageCoreNanoSeconds, cpu, p.Memory.WorkingSetBytes, memory)
	}
	return nil
}

func hasSeries(text, name string, labels ...string) bool {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, name+"{") && missing(line, labels...) == nil {
			return true
		}
	}
	return false
}
