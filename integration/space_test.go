// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/wazelet/wazelet/integration/lab"
)

// testTimeout bounds each wait of a test; nothing normally comes near it.
const testTimeout = 2 * time.Minute

// space is a namespace of the cluster that belongs to one test. Its methods end
// the test when something fails.
type space struct {
	t    *testing.T
	ctx  context.Context
	name string
}

// newSpace makes a namespace and deletes it, without waiting, when the test ends.
// The pods of a failed test are described first.
func newSpace(t *testing.T) *space {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	s := &space{t: t, ctx: ctx, name: namespaceName(t.Name())}
	s.kubectl("create", "namespace", s.name)
	t.Cleanup(s.close)
	// Pods are refused before the one, and wait long for the other.
	if err := cluster.WaitCreated(ctx, s.name, "serviceaccount/default", "configmap/kube-root-ca.crt"); err != nil {
		t.Fatal(err)
	}
	return s
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

func namespaceName(test string) string {
	name := notInNames.ReplaceAllString(strings.ToLower(strings.TrimPrefix(test, "Test")), "-")
	return strings.Trim(name[:min(len(name), 60)], "-")
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
	if err != nil {
		s.t.Fatal(err)
	}
	return out.Stdout
}

// in runs kubectl in the namespace.
func (s *space) in(args ...string) string {
	s.t.Helper()
	return s.kubectl(append(args, "--namespace", s.name)...)
}

// apply applies a manifest to the namespace.
func (s *space) apply(manifest string) {
	s.t.Helper()
	_, err := cluster.CommandInput(s.ctx, strings.NewReader(manifest), "kubectl", "apply", "--namespace", s.name, "-f", "-")
	if err != nil {
		s.t.Fatal(err)
	}
}

// pod applies a pod of the given spec.
func (s *space) pod(name, spec string) {
	s.t.Helper()
	s.apply(podManifest(name, spec))
}

// podManifest returns a pod's manifest around its spec. The pod has the
// RuntimeClass wasm and, when the spec names no other restart policy, Never.
func podManifest(name, spec string) string {
	spec = strings.TrimSpace(spec)
	if !strings.Contains("\n"+spec, "\nrestartPolicy:") {
		spec = "restartPolicy: Never\n" + spec
	}
	if !strings.Contains("\n"+spec, "\nruntimeClassName:") {
		spec = "runtimeClassName: wasm\n" + spec
	}
	spec = strings.ReplaceAll(spec, "\n", "\n  ")
	return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata:\n  name: %s\nspec:\n  %s\n", name, spec)
}

// wait waits until want holds for the pod and returns it.
func (s *space) wait(pod string, want func(*lab.Pod) bool) *lab.Pod {
	s.t.Helper()
	p, err := cluster.WaitPod(s.ctx, s.name, pod, want)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// run applies a pod, waits until it has succeeded and returns its log.
func (s *space) run(name, spec string) string {
	s.t.Helper()
	s.pod(name, spec)
	return s.succeeds(name)
}

// succeeds waits until the pod has succeeded and returns its log; a pod that fails
// ends the test with its log.
func (s *space) succeeds(pod string) string {
	s.t.Helper()
	p := s.wait(pod, lab.Finished)
	log := s.logs(pod, "--all-containers")
	if !lab.Succeeded(p) {
		s.t.Fatalf("pod %s ended as %s, want Succeeded; its log:\n%s", pod, p.Status.Phase, log)
	}
	return log
}

// fails waits until the pod has ended, its container main with the code, and
// returns how.
func (s *space) fails(name string, code int) *lab.Terminated {
	s.t.Helper()
	end := terminated(s.t, s.wait(name, lab.Finished), "main")
	if end.ExitCode != code {
		s.t.Fatalf("pod %s: exit code %d, want %d; its log:\n%s", name, end.ExitCode, code, s.logs(name))
	}
	return end
}

// terminated returns how a container of the pod has ended.
func terminated(t *testing.T, pod *lab.Pod, container string) *lab.Terminated {
	t.Helper()
	status := pod.Container(container)
	if status == nil || status.State.Terminated == nil {
		t.Fatalf("pod %s: container %s has not ended: %+v", pod.Metadata.Name, container, status)
	}
	return status.State.Terminated
}

// logs returns what kubectl logs shows.
func (s *space) logs(pod string, args ...string) string {
	s.t.Helper()
	log, err := cluster.Logs(s.ctx, s.name, pod, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return log
}

// event waits for an event of the pod whose message holds all of the texts,
// whatever their case.
func (s *space) event(pod, reason string, texts ...string) {
	s.t.Helper()
	s.until(func() error {
		var list struct{ Items []lab.Event }
		selector := "involvedObject.name=" + pod + ",reason=" + reason
		if err := cluster.Get(s.ctx, &list, "events", "--namespace", s.name, "--field-selector", selector); err != nil {
			return err
		}
		seen := []string{}
		for _, event := range list.Items {
			if missing(event.Message, texts...) == nil {
				return nil
			}
			seen = append(seen, event.Message)
		}
		return fmt.Errorf("no event %s of pod %s with %q; seen: %q", reason, pod, texts, seen)
	})
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

// until asks until the answer is nil and fails the test with the last answer when
// its time is over. It is for what has no event to wait for.
func (s *space) until(ask func() error) {
	s.t.Helper()
	if err := poll(s.ctx, ask); err != nil {
		s.t.Fatal(err)
	}
}

// poll asks a few times a second until the answer is nil, or the context ends.
func poll(ctx context.Context, ask func() error) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err // and not what the end of the context makes of it
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; last: %w", context.Cause(ctx), last)
		case <-tick.C:
		}
	}
}

// hostDir makes a folder on the node for the test's pods, writable by everybody.
func (s *space) hostDir() string {
	s.t.Helper()
	dir := filepath.Join(cluster.Dir(), "volumes", s.name)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil { // whatever the umask
		s.t.Fatal(err)
	}
	return dir
}

// file writes a file for a command of the test and returns its path.
func (s *space) file(name string, content []byte) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// dockerConfig writes the credentials of registries as docker login does and
// returns the folder.
func (s *space) dockerConfig(registries ...string) string {
	s.t.Helper()
	auths := map[string]any{}
	for _, registry := range registries {
		auths[registry] = map[string]string{"username": lab.RegistryUser, "password": lab.RegistryPassword}
	}
	raw, err := json.Marshal(map[string]any{"auths": auths})
	if err != nil {
		s.t.Fatal(err)
	}
	return filepath.Dir(s.file("config.json", raw))
}

// writeFile writes a file on the node.
func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// readFile reads a file of the node.
func readFile(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// equal fails the test when got is not what is wanted.
func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// contains fails the test when one of the texts is not in s.
func contains(t testing.TB, what, s string, texts ...string) {
	t.Helper()
	if absent := missing(s, texts...); absent != nil {
		t.Errorf("%s: no %q in:\n%s", what, absent, s)
	}
}

// replace fills a word of a manifest in.
func replace(manifest, word, with string) string { return strings.ReplaceAll(manifest, word, with) }

// replaceArgs fills the arguments of a manifest in, where it says %s.
func replaceArgs(manifest, args string) string { return replace(manifest, "%s", args) }
