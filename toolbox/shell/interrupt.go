// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"context"
	"sync"
	"time"

	"github.com/wazelet/wazelet/toolbox/command"
)

// interrupted is the exit code of what the user has ended.
const interrupted = 128 + 2

// front is what an interrupt is for: the command in front, or, where there is none, the line that
// is being typed.
type front struct {
	input interface{ SetReadDeadline(time.Time) error } // nil where reading cannot be ended

	mu     sync.Mutex
	cancel context.CancelFunc // nil at the prompt
	hit    bool
}

func newFront(stdin any) *front {
	f := &front{}
	if in, ok := stdin.(*command.Input); ok {
		f.input, _ = in.File.(interface{ SetReadDeadline(time.Time) error })
	}
	return f
}

// interrupt ends what is in front.
func (f *front) interrupt() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hit = true
	if f.cancel != nil {
		f.cancel()
	} else if f.input != nil {
		_ = f.input.SetReadDeadline(time.Now()) // what has none does not wait either
	}
}

// begin puts a command in front.
func (f *front) begin(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cancel = cancel
	return ctx
}

// end leaves nothing in front and says whether there was an interrupt meanwhile.
func (f *front) end() (hit bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cancel != nil {
		f.cancel()
		f.cancel = nil
	}
	hit, f.hit = f.hit, false
	if hit && f.input != nil {
		_ = f.input.SetReadDeadline(time.Time{})
	}
	return hit
}
