// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/wazelet/wazelet/undo"
)

// Install puts Wazelet between the kubelet and its runtime, or renews it there. Pods of
// either runtime go on. When it fails the node is as before.
func Install(ctx context.Context, o Options) (err error) {
	n, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer n.close()
	c, err := n.configuration()
	if err != nil {
		return err
	}
	if err := n.ask(ctx, c.value.GRPC.Address); err != nil {
		return err
	}
	if err := n.complete(&c); err != nil {
		return err
	}
	p, err := n.plan(c)
	if err != nil {
		return err
	}
	n.say("runtime: %s %s at %s, %s; %d processes of pods", n.upstream.Name, n.upstream.Version, n.endpoint, p.config.Cgroup.Driver, len(n.before))
	if o.DryRun {
		n.tell(p)
		return nil
	}
	t := &transaction{node: n, plan: p, changes: map[string]*change{}}
	defer func() {
		if err != nil {
			if undoErr := t.undo.Run(ctx); undoErr != nil {
				err = errors.Join(err, undoErr)
				return
			}
			n.say("the node is as it was before")
		}
	}()
	if err := t.run(ctx); err != nil {
		return err
	}
	t.undo.Release()
	return t.finish()
}

// tell says what would be done.
func (n *node) tell(p plan) {
	for _, item := range p.all() {
		switch {
		case item.Source != "":
			n.say("would write %s", item.Path)
		case item.Link != "":
			n.say("would link %s to %s", item.Path, item.Link)
		default:
			n.say("would write %s:\n%s", item.Path, item.Content)
		}
	}
	if n.NoRestart {
		return
	}
	n.say("would start %s, and wait until it shows every container", daemonName)
	if !n.NoKubelet {
		n.say("would restart %s, and wait until it is well", n.KubeletUnit)
	}
}

// transaction is an installation under way.
type transaction struct {
	*node
	plan     plan
	changes  map[string]*change // by the path on the node
	manifest *Manifest          // as it becomes
	changed  bool               // something of the daemon's is not as it was
	undo     undo.Stack
}

func (t *transaction) run(ctx context.Context) error {
	if err := t.stage(); err != nil {
		return err
	}
	if err := t.startDaemon(ctx); err != nil {
		return err
	}
	if t.NoKubelet {
		t.say("tell the kubelet: containerRuntimeEndpoint: unix://%s", t.plan.config.GRPC.Address)
		return nil
	}
	return t.switchKubelet(ctx)
}

// stage writes everything beside its place, and the manifest.
func (t *transaction) stage() error {
	t.manifest = &Manifest{Version: manifestVersion, Release: t.Release, Endpoint: t.endpoint, KubeletFile: t.plan.kubeletFile}
	if t.services != nil && !t.NoKubelet {
		t.manifest.Unit = t.KubeletUnit
	}
	before := t.node.manifest
	if before != nil {
		t.manifest.Dirs = before.Dirs
	}
	t.undo.Push("directories", func(context.Context) error { return t.Host.removeDirs(t.newDirs()) })
	for _, item := range t.plan.all() {
		replaces := t.Host.Exists(item.Path) && before.file(item.Path) == nil
		c := &change{host: t.Host, item: item, keep: replaces}
		t.changes[item.Path] = c
		t.undo.Push(item.Path, func(context.Context) error { return c.restore() })
		sum, made, err := c.stage()
		t.manifest.addDirs(made)
		if err != nil {
			return fmt.Errorf("write %s: %w", item.Path, err)
		}
		file := Installed{Path: item.Path, Digest: sum}
		if replaces {
			file.Replaced = item.Path + replacedSuffix
		}
		if was := before.file(item.Path); was != nil {
			file.Replaced = was.Replaced
			t.changed = t.changed || was.Digest != sum || !t.Host.intact(*was)
		} else {
			t.changed = true
		}
		t.manifest.Files = append(t.manifest.Files, file)
	}
	t.keepOthers(before)
	t.undo.Push("manifest", func(context.Context) error { return t.restoreManifest(before) })
	return t.manifest.write(t.Host, t.Config)
}

// keepOthers carries over what an earlier installation has left that is not renewed:
// the configuration that an administrator has changed since, and what is at other
// places now, which finish removes.
func (t *transaction) keepOthers(before *Manifest) {
	if before == nil {
		return
	}
	for _, file := range before.Files {
		if t.manifest.file(file.Path) == nil {
			t.manifest.Files = append(t.manifest.Files, file)
		}
	}
}

func (t *transaction) restoreManifest(before *Manifest) error {
	if before != nil {
		return before.write(t.Host, t.Config)
	}
	place, err := t.Host.place(ManifestPath(t.Config))
	if err != nil {
		return err
	}
	return removeIfThere(place)
}

// newDirs are the directories that this installation has made.
func (t *transaction) newDirs() []string {
	if t.node.manifest == nil {
		return t.manifest.Dirs
	}
	return slices.DeleteFunc(slices.Clone(t.manifest.Dirs), func(dir string) bool { return slices.Contains(t.node.manifest.Dirs, dir) })
}

// put puts staged items in their places.
func (t *transaction) put(items []Item) error {
	for _, item := range items {
		if err := t.changes[item.Path].commit(); err != nil {
			return fmt.Errorf("write %s: %w", item.Path, err)
		}
		if was := t.node.manifest.file(item.Path); was == nil || was.Digest != t.manifest.file(item.Path).Digest {
			t.say("wrote %s", item.Path)
		}
	}
	return nil
}

// startDaemon puts the daemon's files in place and starts it. It is down while its two
// programs are of different releases. Before the kubelet learns of it, it must show
// every container as the runtime itself does.
func (t *transaction) startDaemon(ctx context.Context) error {
	if t.NoRestart {
		if err := t.put(t.plan.daemon); err != nil {
			return err
		}
		t.say("start `wazelet serve`")
		return nil
	}
	was, err := t.services.look(ctx, daemonName)
	if err != nil {
		return err
	}
	if t.changed && was.active {
		if err := t.services.stop(ctx, daemonName); err != nil {
			return err
		}
	}
	// Taken back after the files are.
	undoFiles := t.undo
	t.undo = undo.Stack{}
	t.undo.Push(daemonName, func(ctx context.Context) error { return t.daemonBack(ctx, was.active) })
	t.undo.Push("files", undoFiles.Run)
	t.undo.Push(daemonName, func(ctx context.Context) error {
		if now, err := t.services.look(ctx, daemonName); err != nil || !now.active {
			return err
		}
		return t.services.stop(ctx, daemonName)
	})
	if err := t.put(t.plan.daemon); err != nil {
		return err
	}
	if err := t.services.reload(ctx); err != nil {
		return err
	}
	if err := t.services.start(ctx, daemonName); err != nil {
		return err
	}
	if t.changed {
		t.say("started %s", daemonName)
	}
	return t.verify(ctx)
}

// daemonBack brings an earlier daemon back, with its files.
func (t *transaction) daemonBack(ctx context.Context, ran bool) error {
	if err := t.services.reload(ctx); err != nil || !ran {
		return err
	}
	return t.services.start(ctx, daemonName)
}

// switchKubelet tells the kubelet.
func (t *transaction) switchKubelet(ctx context.Context) error {
	told := t.told()
	if t.NoRestart || told {
		if err := t.put(t.plan.kubelet); err != nil {
			return err
		}
		if !told {
			t.say("then restart the kubelet")
		}
		return nil
	}
	// Taken back after the files are, so that the kubelet starts as before, and while
	// Wazelet still answers.
	rest := t.undo
	t.undo = undo.Stack{}
	t.undo.Push("the rest", rest.Run)
	t.undo.Push(t.KubeletUnit, func(ctx context.Context) error {
		return errors.Join(t.services.reload(ctx), t.services.restart(ctx, t.KubeletUnit))
	})
	for _, item := range t.plan.kubelet {
		t.undo.Push(item.Path, func(context.Context) error { return t.changes[item.Path].restore() })
	}
	if err := t.put(t.plan.kubelet); err != nil {
		return err
	}
	if err := t.services.reload(ctx); err != nil {
		return err
	}
	if err := t.services.restart(ctx, t.KubeletUnit); err != nil {
		return err
	}
	t.say("restarted %s", t.KubeletUnit)
	if err := t.waitKubelet(ctx, t.plan.config.GRPC.Address); err != nil {
		return err
	}
	return t.verify(ctx)
}

// told says whether the kubelet uses Wazelet already, by the very files that are planned.
func (t *transaction) told() bool {
	for _, item := range t.plan.kubelet {
		was := t.node.manifest.file(item.Path)
		if was == nil || was.Digest != t.manifest.file(item.Path).Digest || !t.Host.intact(*was) {
			return false
		}
	}
	return t.kubelet == nil || t.kubelet.Endpoint() == t.plan.config.GRPC.Address
}

// finish lets go what was replaced, and removes what an earlier installation had at
// other places.
func (t *transaction) finish() error {
	var errs []error
	for _, item := range t.plan.all() {
		errs = append(errs, t.changes[item.Path].settle())
	}
	files := t.manifest.Files[:0]
	for _, file := range t.manifest.Files {
		if file.Path == t.Config || slices.ContainsFunc(t.plan.all(), func(i Item) bool { return i.Path == file.Path }) {
			files = append(files, file)
			continue
		}
		_, err := t.Host.setAside(file)
		errs = append(errs, err)
	}
	t.manifest.Files = files
	errs = append(errs, t.manifest.write(t.Host, t.Config))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	t.say("installed %s", t.Release)
	return nil
}

// removeDirs removes directories that were made, the innermost first, where they are
// empty.
func (h Host) removeDirs(dirs []string) error {
	var errs []error
	for _, dir := range slices.Backward(dirs) {
		place, err := h.place(dir)
		if err == nil {
			err = removeEmpty(place)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
