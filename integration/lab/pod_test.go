// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// stream is what kubectl get --watch -o json writes: one object after the other.
const stream = `
{"kind":"Pod","metadata":{"name":"p","uid":"1"},"status":{"phase":"Pending"}}
{"kind":"Pod","metadata":{"name":"p","uid":"1"},"status":{"phase":"Running","podIP":"10.88.0.2","qosClass":"Burstable",
 "conditions":[{"type":"Ready","status":"True"}],
 "initContainerStatuses":[{"name":"i","imageID":"sha256:1","state":{"terminated":{"exitCode":3,"reason":"Error"}}}],
 "containerStatuses":[{"name":"c","restartCount":2,"state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":134}}}]}}
`

func TestDecodeStream(t *testing.T) {
	var phases []string
	var last *Pod
	err := decodeStream(strings.NewReader(stream), func(p *Pod) (bool, error) {
		phases = append(phases, p.Status.Phase)
		last = p
		return false, nil
	})
	if !errors.Is(err, io.EOF) || strings.Join(phases, " ") != "Pending Running" {
		t.Fatalf("saw %v, ended with %v", phases, err)
	}
	if last.Status.PodIP != "10.88.0.2" || last.Status.QOSClass != "Burstable" || last.Metadata.UID != "1" {
		t.Errorf("decoded %+v", last)
	}
	for name, holds := range map[string]bool{
		"ready":     Ready(last),
		"running":   Running(last),
		"waiting":   Waiting("c", "CrashLoopBackOff")(last),
		"restarted": Restarted("c", 2)(last) && !Restarted("c", 3)(last),
		"terminal":  Terminal("c")(last) && Terminal("i")(last),
		"init":      last.Container("i").State.Terminated.ExitCode == 3 && last.Container("i").ImageID == "sha256:1",
		"last":      last.Container("c").LastState.Terminated.ExitCode == 134,
		"absent":    last.Container("x") == nil && !Terminal("x")(last) && last.Condition("Initialized") == "",
	} {
		if !holds {
			t.Errorf("%s does not hold for %+v", name, last)
		}
	}
}
