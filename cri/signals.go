// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"strings"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// The API spells the real-time signals as proto names must be spelt.
var (
	fromProtoName = strings.NewReplacer("SIGNAL_", "", "RTMINPLUS", "RTMIN+", "RTMAXMINUS", "RTMAX-")
	toProtoName   = strings.NewReplacer("RTMIN+", "RTMINPLUS", "RTMAX-", "RTMAXMINUS")
)

// stopSignal is a signal's name as signal(7) and images spell it, "" for the
// default.
func stopSignal(s runtimeapi.Signal) (string, error) {
	name, ok := runtimeapi.Signal_name[int32(s)]
	if !ok {
		return "", invalid("config.stop_signal", "%d is not a signal", s)
	}
	if s == runtimeapi.Signal_SIGNAL_RUNTIME_DEFAULT {
		return "", nil
	}
	return fromProtoName.Replace(name), nil
}

// echoSignal gives back what stopSignal converted.
func echoSignal(name string) runtimeapi.Signal {
	return runtimeapi.Signal(runtimeapi.Signal_value["SIGNAL_"+toProtoName.Replace(name)])
}
