// SPDX-License-Identifier: Apache-2.0

// Package probe asks a CRI runtime who it is and how it feels, as the kubelet
// does before anything else. It is the client that `wazelet doctor` looks with.
package probe

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Answer is what a runtime says about itself.
type Answer struct {
	Name    string // the runtime's name, e.g. "wazelet"
	Version string // the runtime's own version
	// Unmet are the conditions that do not hold, such as NetworkReady.
	Unmet []Condition
}

// Condition is one condition of a runtime's Status.
type Condition struct{ Type, Reason, Message string }

// Ask calls Version and Status at a unix socket. The context bounds the wait
// for a runtime that accepts and does not answer.
func Ask(ctx context.Context, socket string) (Answer, error) {
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return Answer{}, fmt.Errorf("%s: %w", socket, err)
	}
	defer connection.Close() //nolint:errcheck // it has served; there is nobody to tell
	runtime := runtimeapi.NewRuntimeServiceClient(connection)
	version, err := runtime.Version(ctx, &runtimeapi.VersionRequest{})
	if err != nil {
		return Answer{}, fmt.Errorf("%s: Version: %w", socket, err)
	}
	answer := Answer{Name: version.RuntimeName, Version: version.RuntimeVersion}
	status, err := runtime.Status(ctx, &runtimeapi.StatusRequest{})
	if err != nil {
		return answer, fmt.Errorf("%s: Status: %w", socket, err)
	}
	for _, c := range status.GetStatus().GetConditions() {
		if !c.Status {
			answer.Unmet = append(answer.Unmet, Condition{Type: c.Type, Reason: c.Reason, Message: c.Message})
		}
	}
	return answer, nil
}
