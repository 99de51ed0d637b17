// SPDX-License-Identifier: Apache-2.0

package runtime_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/wazelet/wazelet/integration/guests"
	"github.com/wazelet/wazelet/runtime"
)

func TestAModulePerRequest(t *testing.T) {
	d := newDaemon(t)
	cgi, err := guests.Read(guestDir, "cgi")
	d.must(err)
	address := freePort(t)
	c := d.create(d.pod("cgi"), d.pull("cgi:1", cgi), func(c *runtime.Config) {
		c.Annotations = map[string]string{"wazelet.dev/listen": address, "wazelet.dev/http": "wagi"}
	})
	d.must(d.containers.Start(t.Context(), c.ID))
	client := &http.Client{}
	for range 3 {
		if body, err := get(client, "http://"+address+"/"); err != nil || body != "hello from 127.0.0.1\n" {
			t.Errorf("got %q, %v", body, err)
		}
	}
	began := time.Now()
	d.must(d.containers.Stop(t.Context(), c.ID, time.Minute))
	if c = d.ended(c.ID); c.ExitCode != 143 || time.Since(began) > 5*time.Second {
		t.Errorf("stopped with %d after %s", c.ExitCode, time.Since(began))
	}
}
