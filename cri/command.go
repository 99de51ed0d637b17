// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cri/streaming"
	"github.com/wazelet/wazelet/runtime"
)

const (
	// maxSyncOutput is what an ExecSync returns at the most, in bytes, both streams
	// together: 16 MB, as CRI has it (ExecSyncResponse), which a client can take in
	// one message. The rest is thrown away.
	maxSyncOutput = 16_000_000
	// maxCommand bounds a command line: the number of its words.
	maxCommand = 4096
	// maxWord bounds each of them: 128 KiB, as for a process of the kernel's
	// (execve(2), MAX_ARG_STRLEN).
	maxWord = 128 << 10
)

// commandService answers the RPCs that run commands in containers and talk to
// them.
type commandService struct {
	runtime *runtime.Controller
	streams *streaming.Server
}

// ExecSync runs a command to its end and returns what it wrote. A command that
// takes longer than the request's timeout is killed: DeadlineExceeded.
func (s commandService) ExecSync(ctx context.Context, r *runtimeapi.ExecSyncRequest) (*runtimeapi.ExecSyncResponse, error) {
	if err := requireID("container_id", r.GetContainerId()); err != nil {
		return nil, err
	}
	if err := validateCommand("cmd", r.GetCmd()); err != nil {
		return nil, err
	}
	if r.GetTimeout() > 0 {
		limit := grace(r.GetTimeout())
		late := fmt.Errorf("not done after %s: %w", limit, context.DeadlineExceeded)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, late)
		defer cancel()
	}
	room := &budget{left: maxSyncOutput}
	stdout, stderr := capped{room: room}, capped{room: room}
	code, err := s.runtime.Exec(ctx, r.GetContainerId(), runtime.Command{
		Args: r.GetCmd(), Streams: runtime.Streams{Stdout: &stdout, Stderr: &stderr},
	})
	if err != nil {
		return nil, err
	}
	return &runtimeapi.ExecSyncResponse{Stdout: stdout.Bytes(), Stderr: stderr.Bytes(), ExitCode: code}, nil
}

// budget is the room that two streams share, whoever comes first.
type budget struct {
	mu   sync.Mutex
	left int
}

// take grants at most n bytes.
func (b *budget) take(n int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n = min(n, b.left)
	b.left -= n
	return n
}

// capped keeps the beginning of a stream. It is written to by one goroutine and
// read when that has ended.
type capped struct {
	bytes.Buffer
	room *budget
}

func (c *capped) Write(p []byte) (int, error) {
	c.Buffer.Write(p[:c.room.take(len(p))])
	return len(p), nil
}

// Exec returns the URL at which a command runs, once: its streams are those of
// the connection.
func (s commandService) Exec(_ context.Context, r *runtimeapi.ExecRequest) (*runtimeapi.ExecResponse, error) {
	if err := validateCommand("cmd", r.GetCmd()); err != nil {
		return nil, err
	}
	if err := validateStreams(r); err != nil {
		return nil, err
	}
	c, err := s.running(r.GetContainerId(), "run a command in")
	if err != nil {
		return nil, err
	}
	full := proto.CloneOf(r)
	full.ContainerId = c.ID
	return s.streams.Exec(full)
}

// Attach returns the URL at which a container's own streams are, once.
func (s commandService) Attach(_ context.Context, r *runtimeapi.AttachRequest) (*runtimeapi.AttachResponse, error) {
	if err := validateStreams(r); err != nil {
		return nil, err
	}
	c, err := s.running(r.GetContainerId(), "attach to")
	if err != nil {
		return nil, err
	}
	full := proto.CloneOf(r)
	full.ContainerId = c.ID
	return s.streams.Attach(full)
}

// running finds a container that a client may talk to. It may have ended when the
// client comes with the URL, and is asked again then.
func (s commandService) running(id, purpose string) (runtime.Container, error) {
	if err := requireID("container_id", id); err != nil {
		return runtime.Container{}, err
	}
	c, err := s.runtime.Get(id)
	if err != nil {
		return runtime.Container{}, err
	}
	return c, c.RequireRunning(purpose)
}

// streamRequest is what Exec and Attach have in common.
type streamRequest interface {
	GetStdin() bool
	GetStdout() bool
	GetStderr() bool
	GetTty() bool
}

// validateStreams holds the rules of ExecRequest and AttachRequest.
func validateStreams(r streamRequest) error {
	if r.GetTty() && r.GetStderr() {
		return invalid("stderr", "a terminal has one output: tty and stderr exclude each other")
	}
	if !r.GetStdin() && !r.GetStdout() && !r.GetStderr() {
		return invalid("stdout", "one of stdin, stdout and stderr must be wanted")
	}
	return nil
}

// validateCommand checks a command line.
func validateCommand(field string, words []string) error {
	if len(words) == 0 || words[0] == "" {
		return invalid(field, "no command given")
	}
	if len(words) > maxCommand {
		return invalid(field, "%d words are more than %d", len(words), maxCommand)
	}
	for i, word := range words {
		if err := validateText(fmt.Sprintf("%s[%d]", field, i), word, maxWord); err != nil {
			return err
		}
	}
	return nil
}
