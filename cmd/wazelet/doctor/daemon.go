// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/cri/probe"
	"github.com/wazelet/wazelet/runtime/worker/launch"
)

// answerTimeout is how long the daemon or its worker may take to say who it is.
const answerTimeout = 10 * time.Second

// checkWorker runs the worker programs for their versions: they and the daemon
// speak to each other in a form that only one release knows.
func checkWorker(ctx context.Context, o Options) []Finding {
	if why := askWorker(ctx, o.WorkerPath, o.Version); why != "" {
		return fail(why, "Install wazelet and its two workers of one release side by side, or set worker.path.")
	}
	if why := askWorker(ctx, launch.HTTPWorker(o.WorkerPath), o.Version); why != "" {
		return warn(why+": pods that may make HTTP requests by host functions cannot run", "Install it beside "+o.WorkerPath+".")
	}
	return ok("%s runs and is of this release, and so is the one with an HTTP client", o.WorkerPath)
}

// askWorker says what is wrong with a worker program, "" for nothing.
func askWorker(ctx context.Context, path, want string) string {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "version").Output()
	switch version := strings.TrimSpace(string(out)); {
	case errors.Is(err, fs.ErrNotExist):
		return path + " is missing"
	case err != nil:
		return fmt.Sprintf("%s version: %v", path, err)
	case version != want:
		return fmt.Sprintf("%s is version %q, wazelet is %q", path, version, want)
	}
	return ""
}

// checkSocket talks to the daemon, if it runs.
func checkSocket(ctx context.Context, o Options) []Finding {
	socket := o.Config.GRPC.Address
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "unix", socket)
	switch start := "Start it (`systemctl start wazelet`), and read its log if it does not stay up (`journalctl -u wazelet`)."; {
	case errors.Is(err, fs.ErrNotExist):
		return warn("wazelet serve does not run: there is no "+socket, start)
	case errors.Is(err, unix.ECONNREFUSED):
		return warn("wazelet serve does not run any more: nobody listens at "+socket, start)
	case err != nil:
		return warn(err.Error(), "Run `sudo wazelet doctor`.")
	}
	connection.Close()
	answer, err := probe.Ask(ctx, socket)
	if err != nil {
		return fail(err.Error(), "Read the daemon's log (`journalctl -u wazelet`). `Unavailable` while it recovers its pods is no fault.")
	}
	return examineAnswer(socket, answer, o.Version)
}

// examineAnswer judges what the runtime at the socket said.
func examineAnswer(socket string, answer probe.Answer, version string) []Finding {
	if answer.Name != "wazelet" {
		return fail(fmt.Sprintf("%s belongs to %s %s", socket, answer.Name, answer.Version), "Stop it, or set grpc.address to another path.")
	}
	var findings []Finding
	if answer.Version != version {
		findings = append(findings, warn(fmt.Sprintf("the daemon at %s is version %s, this program %s", socket, answer.Version, version),
			"Restart the daemon after an upgrade (`systemctl restart wazelet`); pods keep running.")...)
	}
	for _, condition := range answer.Unmet {
		if !strings.HasSuffix(condition.Type, "Ready") { // a note of the upstream runtime's, such as of what it deprecates
			findings = append(findings, warn(condition.Type+" does not hold: "+condition.Message, "Pods run all the same; see the upstream runtime's documentation.")...)
			continue
		}
		findings = append(findings, fail(fmt.Sprintf("the daemon reports that %s does not hold: %s", condition.Type, condition.Message),
			"See the findings above, and the daemon's log (`journalctl -u wazelet`).")...)
	}
	if findings == nil {
		return ok("wazelet %s answers at %s", answer.Version, socket)
	}
	return findings
}
