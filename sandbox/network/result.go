// SPDX-License-Identifier: Apache-2.0

package network

import (
	"encoding/json"
	"errors"

	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"
)

// Result is what the plugins gave a pod.
type Result struct {
	// IPs are the pod's addresses in the plugins' order, the primary one first.
	IPs []string
	// CNI is the plugins' whole answer, for people to look at.
	CNI json.RawMessage
}

// fromCNI takes the addresses of the pod's own device; a plugin may also tell
// of devices on the node.
func fromCNI(raw types.Result) (Result, error) {
	full, err := types100.NewResultFromResult(raw)
	if err != nil {
		return Result{}, err
	}
	var r Result
	for _, ip := range full.IPs {
		if ip != nil && ofPod(full.Interfaces, ip.Interface) {
			r.IPs = append(r.IPs, ip.Address.IP.String())
		}
	}
	if len(r.IPs) == 0 {
		return Result{}, errors.New("the plugins gave the pod no address")
	}
	r.CNI, err = json.Marshal(full)
	return r, err
}

// ofPod: an address without a device is the pod's, as in results before CNI 0.3.
func ofPod(devices []*types100.Interface, index *int) bool {
	if index == nil || *index < 0 || *index >= len(devices) {
		return index == nil
	}
	device := devices[*index]
	return device != nil && device.Sandbox != "" && device.Name == ifName
}
