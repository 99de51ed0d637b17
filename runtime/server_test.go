// SPDX-License-Identifier: Apache-2.0

package runtime_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/integration/guests"
	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/sandbox"
)

// freePort finds a port of the loopback that nobody uses now, and that no
// connection is given until the guest has it: those get ephemeral ones, which
// begin at 32768 unless the node says otherwise (ip(7), ip_local_port_range).
func freePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12_000+rand.IntN(20_000)))
		if errors.Is(err, unix.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	t.Fatal("no port is free")
	return ""
}

// serve starts a container of the web guest and returns its address.
func (d *daemon) serve(pod string) (c runtime.Container, address string) {
	d.t.Helper()
	web, err := guests.Read(guestDir, "web")
	d.must(err)
	address = freePort(d.t)
	c = d.create(d.pod(pod), d.pull("web:1", web), func(c *runtime.Config) {
		c.Annotations = map[string]string{"wazelet.dev/listen": "http=tcp://" + address}
	})
	d.must(d.containers.Start(d.t.Context(), c.ID))
	d.logged(c, `serving on ["http"]`)
	return c, address
}

func get(client *http.Client, url string) (string, error) {
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func TestAnOrdinaryServerServesMany(t *testing.T) {
	d := newDaemon(t)
	c, address := d.serve("web")
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 20}}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for n := range 20 {
				path := fmt.Sprintf("/%d/%d", i, n)
				if body, err := get(client, "http://"+address+path); err != nil || body != "hello from "+path+"\n" {
					t.Errorf("%s: %q, %v", path, body, err)
				}
			}
		})
	}
	wg.Wait()
	client.CloseIdleConnections()
	began := time.Now()
	d.must(d.containers.Stop(t.Context(), c.ID, time.Minute))
	if c = d.ended(c.ID); c.ExitCode != 143 || time.Since(began) > 30*time.Second {
		t.Errorf("stopped with %d after %s", c.ExitCode, time.Since(began))
	}
}

func TestAPortInUseIsNamed(t *testing.T) {
	d := newDaemon(t)
	_, address := d.serve("first")
	web, err := guests.Read(guestDir, "web")
	d.must(err)
	sb := d.pod("second")
	_, err = d.containers.Create(t.Context(), sb.ID, runtime.Config{
		Name: "main", ImageID: d.pull("web:1", web).ID, Annotations: map[string]string{"wazelet.dev/listen": address},
	})
	if !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v", err)
	}
}

// TestAPodWithoutNetworkMayAnswer datagrams, and send them to nobody else.
func TestAPodWithoutNetworkMayAnswer(t *testing.T) {
	d := newDaemon(t)
	probe, err := guests.Read(guestDir, "probe")
	d.must(err)
	img := d.pull("probe:1", probe)
	for annotation, want := range map[string]string{"": "sent", "none": "Permission denied"} {
		client, err := net.ListenPacket("udp", "127.0.0.1:0")
		d.must(err)
		defer client.Close()
		stranger, err := net.ListenPacket("udp", "127.0.0.1:0")
		d.must(err)
		defer stranger.Close()
		address := freePort(t)
		sb, err := d.sandboxes.Create(t.Context(), sandbox.Config{
			Metadata: sandbox.Metadata{Name: "answer" + annotation, Namespace: "default", UID: "u" + annotation},
			Network:  sandbox.NetworkNode, Annotations: map[string]string{"wazelet.dev/network": annotation},
			LogDirectory: t.TempDir(),
		})
		d.must(err)
		c := d.create(sb, img, func(c *runtime.Config) {
			c.Args = []string{"udp", strconv.Itoa(stranger.LocalAddr().(*net.UDPAddr).Port)}
			c.Annotations = map[string]string{"wazelet.dev/listen": "udp://" + address}
		})
		d.must(d.containers.Start(t.Context(), c.ID))
		d.logged(c, "ready\n")
		guest, err := net.ResolveUDPAddr("udp", address)
		d.must(err)
		_, err = client.WriteTo([]byte("ping"), guest)
		d.must(err)
		answer := make([]byte, 8)
		d.must(client.SetReadDeadline(time.Now().Add(soon)))
		n, _, err := client.ReadFrom(answer)
		if err != nil || string(answer[:n]) != "ping" {
			t.Errorf("annotation %q: the answer is %q, %v", annotation, answer[:n], err)
		}
		if c = d.ended(c.ID); c.ExitCode != 0 {
			t.Errorf("annotation %q: %+v", annotation, c)
		}
		log, err := os.ReadFile(c.LogFile)
		d.must(err)
		if lines := strings.Split(string(log), "\n"); len(lines) != 4 || !strings.HasSuffix(lines[1], " "+want) || !strings.HasSuffix(lines[2], " sent") {
			t.Errorf("annotation %q: the log is\n%s", annotation, log)
		}
	}
}

func TestAPodWithoutNetworkOpensNoSocket(t *testing.T) {
	d := newDaemon(t)
	img := d.pull("socket:1", tiny.Socket())
	const acces = 2 // errno of preview 1
	for annotation, want := range map[string]int32{"": 0, "none": acces} {
		sb, err := d.sandboxes.Create(t.Context(), sandbox.Config{
			Metadata: sandbox.Metadata{Name: "dial" + annotation, Namespace: "default", UID: "u" + annotation},
			Network:  sandbox.NetworkNode, Annotations: map[string]string{"wazelet.dev/network": annotation},
		})
		d.must(err)
		c := d.create(sb, img, nil)
		d.must(d.containers.Start(t.Context(), c.ID))
		if c = d.ended(c.ID); c.ExitCode != want {
			t.Errorf("annotation %q: opening a socket gives errno %d, want %d", annotation, c.ExitCode, want)
		}
	}
}
