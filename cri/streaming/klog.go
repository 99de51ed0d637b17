// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"context"
	"fmt"
	"sync"

	"github.com/containerd/log"
	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

// adoptKlog sends what the streaming library logs, through klog, into the
// daemon's own log. klog is the process's, so once is enough.
var adoptKlog = sync.OnceFunc(func() { klog.SetLogger(logr.New(klogSink{})) })

// klogSink is the daemon's log as klog sees it.
type klogSink struct {
	fields log.Fields
}

// Init is told about call depths, which the daemon's log does not show.
func (klogSink) Init(logr.RuntimeInfo) {}

// Enabled says whether messages of a verbosity are wanted: klog has settled that.
func (klogSink) Enabled(int) bool { return true }

// Info logs what the library does.
func (s klogSink) Info(_ int, msg string, pairs ...any) {
	log.G(context.Background()).WithFields(s.with(pairs)).Debug("streaming: " + msg)
}

// Error logs what the library could not do. The client has been told, and what
// streams lead to tells of its own failures with more to say: this is for
// debugging.
func (s klogSink) Error(err error, msg string, pairs ...any) {
	log.G(context.Background()).WithFields(s.with(pairs)).WithError(err).Debug("streaming: " + msg)
}

// WithValues returns a sink that adds fields to each message.
func (s klogSink) WithValues(pairs ...any) logr.LogSink { return klogSink{s.with(pairs)} }

// WithName returns the sink: names of klog's loggers are not shown.
func (s klogSink) WithName(string) logr.LogSink { return s }

// with adds keys and values, which alternate, to the sink's own fields.
func (s klogSink) with(pairs []any) log.Fields {
	fields := make(log.Fields, len(s.fields)+len(pairs)/2)
	for key, value := range s.fields {
		fields[key] = value
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		fields[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return fields
}
