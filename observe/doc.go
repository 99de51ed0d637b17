// SPDX-License-Identifier: Apache-2.0

// Package observe is what Wazelet tells of its own work: Prometheus metrics and
// OpenTelemetry spans. It knows nothing of pods or images; whoever does
// something says so here, in the terms of what it does, and pays less than a
// microsecond for it.
//
// The metrics are in a registry of Wazelet's own, whose instruments are those of
// the process, and each label has few values, none of which a pod's owner chooses.
// Spans go nowhere unless tracing is set up (package otlp).
package observe
