// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"fmt"

	"github.com/wazelet/wazelet/integration/podbench/metrics"
	"github.com/wazelet/wazelet/integration/podbench/result"
)

// stepsMetric has the steps of a pod's start by their names, in seconds (package observe).
const stepsMetric = "wazelet_step_duration_seconds"

// steps returns how long each step has taken so far, in milliseconds and together; none
// for a side that keeps no such account.
func (c *client) steps(ctx context.Context) (map[string]float64, error) {
	if c.Metrics == "" {
		return nil, nil
	}
	families, err := metrics.Get(ctx, c.Metrics)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	took := map[string]float64{}
	for _, metric := range families[stepsMetric].GetMetric() {
		took[metrics.Label(metric, "step")] += metric.GetHistogram().GetSampleSum() * 1e3
	}
	return took, nil
}

// account adds what each step has taken since.
func (d *driver) account(ctx context.Context, name string, c *client, before map[string]float64) error {
	after, err := c.steps(ctx)
	if err != nil {
		return err
	}
	for step, took := range after {
		if took > before[step] {
			d.out.Add(name, c.Name, result.StepPrefix+step, "ms", took-before[step])
		}
	}
	return nil
}
