// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// patience bounds the wait for what a test expects: the machine is an emulated
// one, on a busy machine.
const patience = 3 * time.Minute

// Pod is a pod of one test, taken away at the test's end.
type Pod struct {
	*testing.T
	Node *Node
	ID   string

	config *runtimeapi.PodSandboxConfig
}

// Pod makes a pod.
func (n *Node) Pod(t *testing.T, config *runtimeapi.PodSandboxConfig) *Pod {
	t.Helper()
	if err := os.MkdirAll(config.GetLogDirectory(), 0o755); err != nil {
		t.Fatal(err)
	}
	id, err := n.Runtime.RunPodSandbox(t.Context(), config, "")
	if err != nil {
		t.Fatal(err)
	}
	p := &Pod{t, n, id, config}
	t.Cleanup(func() {
		ctx := context.Background() // the test's own has ended
		if err := n.Runtime.StopPodSandbox(ctx, id); err != nil {
			t.Error(err)
		}
		if err := n.Runtime.RemovePodSandbox(ctx, id); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(n.Log())
		}
	})
	return p
}

// Create creates a container and returns its id.
func (p *Pod) Create(config *runtimeapi.ContainerConfig) (string, error) {
	if _, err := p.Node.Images.PullImage(p.Context(), config.GetImage(), nil, p.config); err != nil {
		return "", err
	}
	return p.Node.Runtime.CreateContainer(p.Context(), p.ID, config, p.config)
}

// Run creates and starts a container and returns its id.
func (p *Pod) Run(config *runtimeapi.ContainerConfig) string {
	p.Helper()
	id, err := p.Create(config)
	if err == nil {
		err = p.Node.Runtime.StartContainer(p.Context(), id)
	}
	if err != nil {
		p.Fatalf("%v\n%s", err, p.Node.Log())
	}
	return id
}

// Status is a container's.
func (p *Pod) Status(id string) *runtimeapi.ContainerStatus {
	p.Helper()
	r, err := p.Node.Runtime.ContainerStatus(p.Context(), id, false)
	if err != nil {
		p.Fatal(err)
	}
	return r.GetStatus()
}

// Pid is the process id of a container's worker.
func (p *Pod) Pid(id string) int {
	p.Helper()
	r, err := p.Node.Runtime.ContainerStatus(p.Context(), id, true)
	if err != nil {
		p.Fatal(err)
	}
	var info struct{ Pid int }
	if err := json.Unmarshal([]byte(r.GetInfo()["info"]), &info); err != nil || info.Pid == 0 {
		p.Fatalf("no process: %v, %v", r.GetInfo(), err)
	}
	return info.Pid
}

// Ended waits for a container's end.
func (p *Pod) Ended(id string) *runtimeapi.ContainerStatus {
	p.Helper()
	var s *runtimeapi.ContainerStatus
	p.Until(func() error {
		if s = p.Status(id); s.GetState() != runtimeapi.ContainerState_CONTAINER_EXITED {
			return fmt.Errorf("container is %s", s.GetState())
		}
		return nil
	})
	return s
}

// Until waits until check finds nothing to say.
func (p *Pod) Until(check func() error) {
	p.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			p.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Said is what a container has written, without the times.
func (p *Pod) Said() string {
	raw, err := os.ReadFile(filepath.Join(p.config.GetLogDirectory(), "main.log"))
	if err != nil {
		p.Fatal(err)
	}
	var text strings.Builder
	for line := range strings.Lines(string(raw)) {
		if fields := strings.SplitN(line, " ", 4); len(fields) == 4 {
			text.WriteString(fields[3])
		}
	}
	return text.String()
}

// Exec runs a command in a container and returns its output, with its error's.
func (p *Pod) Exec(id string, command ...string) (string, error) {
	out, errs, err := p.Node.Runtime.ExecSync(p.Context(), id, command, patience)
	return string(out) + string(errs), err
}
