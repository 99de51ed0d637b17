// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/unit"

	"github.com/wazelet/wazelet/cmd/wazelet/doctor"
)

const packaging = "../../packaging/"

// TestTheUnitSaysWhatTheDaemonDoes reads the unit as systemd would.
func TestTheUnitSaysWhatTheDaemonDoes(t *testing.T) {
	content, err := os.Open(packaging + "systemd/wazelet.service")
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	options, err := unit.DeserializeOptions(content)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, option := range options {
		got[option.Section+"."+option.Name] += option.Value
	}
	for key, want := range map[string]string{
		"Unit.Before":         "kubelet.service",        // it does not retry its first call
		"Service.Type":        "notify",                 // serve says READY=1
		"Service.KillMode":    "process",                // pods outlive the daemon
		"Service.Delegate":    "yes",                    // cgroups are ours
		"Service.Restart":     "always",                 //
		"Service.TasksMax":    "infinity",               // every container is a process
		"Install.WantedBy":    "multi-user.target",      //
		"Service.LimitNOFILE": "1048576",                //
		"Service.ExecStart":   got["Service.ExecStart"], // below
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
	program, command, _ := strings.Cut(got["Service.ExecStart"], " ")
	if !filepath.IsAbs(program) || filepath.Base(program) != "wazelet" {
		t.Errorf("ExecStart starts %q", program)
	}
	if found, rest, err := newRoot(nil).Find(strings.Fields(command)); err != nil || found.Name() != "serve" || len(rest) > 0 {
		t.Errorf("ExecStart runs %q: %v", command, err)
	}
}

// TestThePackagedFilesPointHere lets the doctor read the files that are meant
// for the kubelet and crictl, against the default configuration.
func TestThePackagedFilesPointHere(t *testing.T) {
	got := wazelet(t, "doctor", "-o", "json", "--config", packaging+"config.toml",
		"--kubelet-config", packaging+"kubelet/10-wazelet.conf", "--crictl-config", packaging+"crictl.yaml")
	var report struct{ Findings []doctor.Finding }
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil {
		t.Fatalf("%v: %+v", err, got)
	}
	seen := map[string]bool{}
	for _, finding := range report.Findings {
		seen[finding.Check] = true
		switch {
		case finding.Check == "crictl" && finding.Status != doctor.OK,
			finding.Check == "kubelet" && finding.Status != doctor.OK && !strings.Contains(finding.What, "failCgroupV1"):
			t.Errorf("%+v", finding)
		}
	}
	if !seen["crictl"] || !seen["kubelet"] {
		t.Errorf("the doctor looked at %v", seen)
	}
}
