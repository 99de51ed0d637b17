// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"strings"
	"testing"
)

// TestOperations reads what a kubelet has answered, shortened.
func TestOperations(t *testing.T) {
	parse := func(calls, seconds string) operations {
		o, err := parseOperations(strings.NewReader(strings.NewReplacer("CALLS", calls, "SECONDS", seconds).Replace(`
# HELP kubelet_runtime_operations_duration_seconds [ALPHA] Duration in seconds of runtime operations. Broken down by operation type.
# TYPE kubelet_runtime_operations_duration_seconds histogram
kubelet_runtime_operations_duration_seconds_bucket{operation_type="list_images",le="+Inf"} 7
kubelet_runtime_operations_duration_seconds_sum{operation_type="list_images"} 0.5
kubelet_runtime_operations_duration_seconds_count{operation_type="list_images"} 7
kubelet_runtime_operations_duration_seconds_bucket{operation_type="run_podsandbox",le="+Inf"} CALLS
kubelet_runtime_operations_duration_seconds_sum{operation_type="run_podsandbox"} SECONDS
kubelet_runtime_operations_duration_seconds_count{operation_type="run_podsandbox"} CALLS
# HELP kubelet_pod_worker_duration_seconds [ALPHA] Duration in seconds to sync a single pod. Broken down by operation type: create, update, or sync
# TYPE kubelet_pod_worker_duration_seconds histogram
kubelet_pod_worker_duration_seconds_bucket{operation_type="create",le="+Inf"} CALLS
kubelet_pod_worker_duration_seconds_sum{operation_type="create"} SECONDS
kubelet_pod_worker_duration_seconds_count{operation_type="create"} CALLS
kubelet_pod_worker_duration_seconds_bucket{operation_type="sync",le="+Inf"} 1
kubelet_pod_worker_duration_seconds_sum{operation_type="sync"} 1
kubelet_pod_worker_duration_seconds_count{operation_type="sync"} 1
`)))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	d := parse("5", "2.5").since(parse("3", "1"))
	if len(d.calls) != 1 || d.calls["run_podsandbox"] != (operation{2, 1.5}) || d.syncs != (operation{2, 1.5}) {
		t.Errorf("got %+v", d)
	}
	if _, err := parseOperations(strings.NewReader("# TYPE x gauge\nx 1\n")); err == nil {
		t.Error("metrics without the kubelet's were taken")
	}
}

func TestCalls(t *testing.T) {
	for _, text := range []string{`
# TYPE wazelet_rpc_duration_seconds histogram
wazelet_rpc_duration_seconds_bucket{method="ListContainers",code="OK",le="+Inf"} 3
wazelet_rpc_duration_seconds_sum{method="ListContainers",code="OK"} 0.1
wazelet_rpc_duration_seconds_count{method="ListContainers",code="OK"} 3
wazelet_rpc_duration_seconds_bucket{method="ListContainers",code="Unavailable",le="+Inf"} 1
wazelet_rpc_duration_seconds_sum{method="ListContainers",code="Unavailable"} 0.1
wazelet_rpc_duration_seconds_count{method="ListContainers",code="Unavailable"} 1
`, `
# TYPE grpc_server_handled_total counter
grpc_server_handled_total{grpc_code="OK",grpc_method="ListContainers",grpc_service="runtime.v1.RuntimeService",grpc_type="unary"} 4
`} {
		counts, err := parseCalls(strings.NewReader(text))
		if err != nil || counts["ListContainers"] != 4 {
			t.Errorf("got %v, %v of%s", counts, err, text)
		}
	}
	if _, err := parseCalls(strings.NewReader("# TYPE x gauge\nx 1\n")); err == nil {
		t.Error("metrics without calls were taken")
	}
}
