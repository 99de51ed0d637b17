// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// WASICalls sets who knows how often each host function has been called: counts
// that lie with the workers until somebody asks. nil is nobody.
func WASICalls(totals func() map[string]uint64) { wasiCalls.totals.Store(&totals) }

// callCollector asks when it is scraped.
type callCollector struct {
	desc   *prometheus.Desc
	totals atomic.Pointer[func() map[string]uint64]
}

// Describe is prometheus.Collector's.
func (c *callCollector) Describe(descs chan<- *prometheus.Desc) { descs <- c.desc }

// Collect is prometheus.Collector's.
func (c *callCollector) Collect(metrics chan<- prometheus.Metric) {
	totals := c.totals.Load()
	if totals == nil || *totals == nil {
		return
	}
	for function, n := range (*totals)() {
		metrics <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(n), function)
	}
}
