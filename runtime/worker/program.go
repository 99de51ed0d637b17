// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"fmt"
	"os"

	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
)

// Main is the worker's program: args[1] says what this process becomes. newClient is nil
// in a program whose guests can make no HTTP requests. It returns the exit code.
func Main(args []string, version string, newClient httpcall.NewClient) int {
	if len(args) == 2 {
		switch args[1] {
		case "container":
			return Container(context.Background(), newClient)
		case "spare":
			return Spare(context.Background(), newClient)
		case ModeEntered:
			return Entered(context.Background(), newClient)
		case "exec":
			return Exec(context.Background(), newClient)
		case "compile":
			return Compile(context.Background())
		case "version":
			fmt.Fprintln(os.Stdout, version)
			return 0
		}
	}
	fmt.Fprintln(os.Stderr, "wazelet-worker is started by wazelet; it has the modes container, spare, exec and compile")
	return 2
}
