// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/wazelet/wazelet/integration/lab"
)

// life is when something of a pod was seen first.
type life struct {
	accepted  time.Time // the API server has answered
	scheduled time.Time // it has a node
	ready     time.Time // its condition Ready is true
	gone      time.Time // it is no longer there
}

// tracker watches the pods of the namespace.
type tracker struct {
	mu      sync.Mutex
	pods    map[string]*life
	changed chan struct{} // closed with each change
	err     error         // why the watch has ended
}

// event is one of a watch.
type event struct {
	Type   string
	Object struct {
		Metadata struct {
			Name              string
			ResourceVersion   string
			DeletionTimestamp string
		}
		Spec   struct{ NodeName string }
		Status struct {
			Phase, Reason, Message string
			Conditions             []lab.Condition
		}
	}
}

func (e *event) ready() bool {
	return slices.ContainsFunc(e.Object.Status.Conditions, func(c lab.Condition) bool { return c.Type == "Ready" && c.Status == "True" })
}

// trouble is what must not happen: the end of the watch, or of a pod that nobody deletes.
func (e *event) trouble() error {
	if e.Type == "ERROR" {
		return errors.New("the API server gave up")
	}
	s := e.Object.Status
	if e.Object.Metadata.DeletionTimestamp == "" && (s.Phase == "Failed" || s.Phase == "Succeeded") {
		return fmt.Errorf("pod %s ended as %s: %s %s", e.Object.Metadata.Name, s.Phase, s.Reason, s.Message)
	}
	return nil
}

// track begins to watch, until the context ends.
func track(ctx context.Context, a *api) (*tracker, error) {
	var list struct {
		Metadata struct{ ResourceVersion string }
	}
	if err := a.do(ctx, http.MethodGet, podsPath, nil, &list); err != nil {
		return nil, err
	}
	t := &tracker{pods: map[string]*life{}, changed: make(chan struct{})}
	go func() {
		var err error
		// A watch ends when its server finds its reader slow; the next one goes on.
		for version := list.Metadata.ResourceVersion; err == nil; {
			version, err = t.follow(ctx, a, version)
		}
		t.change(func() { t.err = err })
	}()
	return t, nil
}

// follow notes what has happened since the version, until the watch ends at another.
func (t *tracker) follow(ctx context.Context, a *api, version string) (string, error) {
	const day = 24 * 60 * 60 // seconds
	events, err := a.request(ctx, http.MethodGet, fmt.Sprintf("%s?watch=true&timeoutSeconds=%d&resourceVersion=%s", podsPath, day, version), nil)
	if err != nil {
		return version, err
	}
	defer events.Close()
	for decoder := json.NewDecoder(events); ; {
		var e event
		if err := decoder.Decode(&e); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return version, err
		}
		if err := e.trouble(); err != nil {
			return version, err
		}
		version = e.Object.Metadata.ResourceVersion
		t.change(func() { t.see(&e) })
	}
}

// see notes what an event shows for the first time.
func (t *tracker) see(e *event) {
	l := t.life(e.Object.Metadata.Name)
	now := time.Now()
	for _, what := range []struct {
		at   *time.Time
		seen bool
	}{
		{&l.scheduled, e.Object.Spec.NodeName != ""},
		{&l.ready, e.ready()},
		{&l.gone, e.Type == "DELETED"},
	} {
		if what.seen && what.at.IsZero() {
			*what.at = now
		}
	}
}

func (t *tracker) life(name string) *life {
	if t.pods[name] == nil {
		t.pods[name] = &life{}
	}
	return t.pods[name]
}

func (t *tracker) change(do func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	do()
	close(t.changed)
	t.changed = make(chan struct{})
}

// accepted notes that the API server has taken the pod.
func (t *tracker) accepted(name string) {
	t.change(func() { t.life(name).accepted = time.Now() })
}

// await waits until something has been seen of each pod, and returns what was.
func (t *tracker) await(ctx context.Context, names []string, what func(*life) time.Time) ([]life, error) {
	for {
		lives, missing, changed, err := t.look(names, what)
		if missing == 0 {
			return lives, nil
		}
		if err != nil {
			return nil, fmt.Errorf("watch pods: %w", err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d pods are still waited for: %w", missing, len(names), context.Cause(ctx))
		}
	}
}

func (t *tracker) look(names []string, what func(*life) time.Time) (lives []life, missing int, changed <-chan struct{}, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range names {
		l := *t.life(name)
		if what(&l).IsZero() {
			missing++
		}
		lives = append(lives, l)
	}
	return lives, missing, t.changed, t.err
}

// present are the pods that are there.
func (t *tracker) present() (names []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, l := range t.pods {
		if l.gone.IsZero() {
			names = append(names, name)
		}
	}
	return names
}

func ready(l *life) time.Time { return l.ready }
func gone(l *life) time.Time  { return l.gone }
