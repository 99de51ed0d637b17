package launch_test

import (
	"os"
	"testing"

	"github.com/wazelet/wazelet/runtime/engine/enginetest"
)

func TestZZTrace(t *testing.T) {
	c := define(t, moduleFile(t, enginetest.Exit(0)))
	c.run()
	c = define(t, moduleFile(t, enginetest.Exit(0)))
	os.WriteFile("/tmp/wz/wrap", []byte("#!/bin/sh\nexec strace -f -r -o /tmp/wz/trace "+workerPath+" \"$@\"\n"), 0o755)
	c.options.WorkerPath = "/tmp/wz/wrap"
	c.start()
	c.process.Wait(t.Context())
}
