// SPDX-License-Identifier: Apache-2.0

package mixed_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/wazelet/wazelet/integration/lab"
)

// testTimeout bounds the waits of a test; nothing normally comes near it.
const testTimeout = 5 * time.Minute

// space is a namespace of the cluster that belongs to one test. Its methods end
// the test when something fails.
type space struct {
	t    *testing.T
	ctx  context.Context
	name string
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// newSpace makes a namespace and deletes it, without waiting, when the test ends.
// The pods of a failed test are described first.
func newSpace(t *testing.T) *space {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	name := notInNames.ReplaceAllString(strings.ToLower(strings.TrimPrefix(t.Name(), "Test")), "-")
	s := &space{t: t, ctx: ctx, name: strings.Trim(name[:min(len(name), 60)], "-")}
	s.kubectl("create", "namespace", s.name)
	t.Cleanup(s.close)
	// Pods are refused before the one, and wait long for the other.
	must(t, cluster.WaitCreated(ctx, s.name, "serviceaccount/default", "configmap/kube-root-ca.crt"))
	return s
}

func (s *space) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if s.t.Failed() {
		for _, args := range [][]string{{"describe", "pods"}, {"get", "events", "--sort-by=.lastTimestamp"}} {
			out, err := cluster.Kubectl(ctx, append(args, "--namespace", s.name)...)
			s.t.Logf("kubectl %s (%v):\n%s", args[0], err, out.Stdout)
		}
	}
	if _, err := cluster.Kubectl(ctx, "delete", "namespace", s.name, "--wait=false"); err != nil {
		s.t.Error(err)
	}
}

// kubectl runs kubectl and returns its standard output.
func (s *space) kubectl(args ...string) string {
	s.t.Helper()
	out, err := cluster.Kubectl(s.ctx, args...)
	must(s.t, err)
	return out.Stdout
}

// in runs kubectl in the namespace.
func (s *space) in(args ...string) string {
	s.t.Helper()
	return s.kubectl(append([]string{"--namespace", s.name}, args...)...)
}

// sh runs a line of shell in a pod's container and returns what it says.
func (s *space) sh(pod, container, line string) string {
	s.t.Helper()
	return s.in("exec", pod, "-c", container, "--", "sh", "-c", line)
}

// apply applies a manifest to the namespace.
func (s *space) apply(manifest string) {
	s.t.Helper()
	_, err := cluster.CommandInput(s.ctx, strings.NewReader(manifest), "kubectl", "apply", "--namespace", s.name, "-f", "-")
	must(s.t, err)
}

// pod applies a pod of the given spec.
func (s *space) pod(name, spec string) {
	s.t.Helper()
	spec = strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n  ")
	s.apply(fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata:\n  name: %s\n  labels: {app: %[1]s}\nspec:\n  %s\n", name, spec))
}

// wait waits until want holds for the pod and returns it.
func (s *space) wait(pod string, want func(*lab.Pod) bool) *lab.Pod {
	s.t.Helper()
	p, err := cluster.WaitPod(s.ctx, s.name, pod, want)
	must(s.t, err)
	return p
}

// logs returns what kubectl logs shows.
func (s *space) logs(pod string, args ...string) string {
	s.t.Helper()
	log, err := cluster.Logs(s.ctx, s.name, pod, args...)
	must(s.t, err)
	return log
}

// rollout waits until a Deployment is as it should be.
func (s *space) rollout(deployment string) {
	s.t.Helper()
	s.in("rollout", "status", "deployment/"+deployment, "--timeout=240s")
}

// event waits for an event of the object whose message holds all of the texts,
// whatever their case, and returns the message.
func (s *space) event(object, reason string, texts ...string) (message string) {
	s.t.Helper()
	s.until(func() error {
		var list struct{ Items []lab.Event }
		selector := "involvedObject.name=" + object + ",reason=" + reason
		if err := cluster.Get(s.ctx, &list, "events", "--namespace", s.name, "--field-selector", selector); err != nil {
			return err
		}
		seen := []string{}
		for _, event := range list.Items {
			if missing(event.Message, texts...) == nil {
				message = event.Message
				return nil
			}
			seen = append(seen, event.Message)
		}
		return fmt.Errorf("no event %s of %s with %q; seen: %q", reason, object, texts, seen)
	})
	return message
}

// until asks until the answer is nil and fails the test with the last answer when
// its time is over. It is for what has no event to wait for.
func (s *space) until(ask func() error) {
	s.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := ask()
		if err == nil {
			return
		}
		if s.ctx.Err() == nil {
			last = err // and not what the end of the context makes of it
		}
		select {
		case <-s.ctx.Done():
			s.t.Fatalf("%v; last: %v", context.Cause(s.ctx), last)
		case <-tick.C:
		}
	}
}

// get asks a server in the laboratory's network until it answers 200 and returns the
// answer.
func (s *space) get(url string) (body string) {
	s.t.Helper()
	s.until(func() (err error) {
		body, err = get(s.ctx, url)
		return err
	})
	return body
}

// get asks a server in the laboratory's network once.
func get(ctx context.Context, url string) (string, error) {
	client := &http.Client{Transport: &http.Transport{DialContext: cluster.Dial, DisableKeepAlives: true}, Timeout: 10 * time.Second}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, response.Status, body)
	}
	return string(body), err
}

// missing returns those texts that are not in s, whatever their case.
func missing(s string, texts ...string) []string {
	var absent []string
	for _, text := range texts {
		if !strings.Contains(strings.ToLower(s), strings.ToLower(text)) {
			absent = append(absent, text)
		}
	}
	return absent
}

// equal fails the test when got is not what is wanted.
func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// contains fails the test when one of the texts is not in s.
func contains(t *testing.T, what, s string, texts ...string) {
	t.Helper()
	if absent := missing(s, texts...); absent != nil {
		t.Errorf("%s: no %q in:\n%s", what, absent, s)
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// replace fills a word of a manifest in.
func replace(manifest, word, with string) string { return strings.ReplaceAll(manifest, word, with) }

// lines are the lines of a text that are not empty.
func lines(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
}
