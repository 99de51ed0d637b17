// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wazelet/wazelet/config"
	"github.com/wazelet/wazelet/cri/nodeclient"
)

// podGrace is how long the containers of Wasm pods have to end when Wazelet is taken
// out.
const podGrace = 30 * time.Second

// Uninstall takes Wazelet out: the kubelet talks to the runtime from before again, whose
// pods go on. Pods that only Wazelet can run are refused, or stopped and removed with
// Options.Force. Where nothing is installed nothing is to be done.
func Uninstall(ctx context.Context, o Options) error {
	n, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer n.close()
	if n.manifest == nil {
		n.say("nothing is installed here: there is no %s", ManifestPath(o.Config))
		return nil
	}
	if n.manifest.Unit != "" {
		n.KubeletUnit = n.manifest.Unit
	}
	n.NoKubelet = n.NoKubelet || n.manifest.KubeletFile == ""
	c, err := n.configuration()
	if err != nil {
		return err
	}
	if err := n.ask(ctx, c.value.GRPC.Address); err != nil {
		return err
	}
	r := &removal{node: n, config: c.value}
	if err := r.mayGo(ctx); err != nil {
		return err
	}
	if o.DryRun {
		r.tell()
		return nil
	}
	return r.run(ctx)
}

// removal is Wazelet being taken out.
type removal struct {
	*node
	config config.Config
	pods   []nodeclient.Pod // that only Wazelet can run
}

// mayGo finds the pods that end with Wazelet.
func (r *removal) mayGo(ctx context.Context) error {
	if err := r.findPods(ctx); err != nil {
		return fmt.Errorf("which pods Wazelet runs is not known: %w; start it (`systemctl start wazelet`) and try again", err)
	}
	if len(r.pods) == 0 || r.Force {
		return nil
	}
	names := make([]string, len(r.pods))
	for i, pod := range r.pods {
		names[i] = pod.String()
	}
	return fmt.Errorf("%d pods run here that only Wazelet can run (%s): drain the node or delete them, or give --force to have them stopped", len(names), strings.Join(names, ", "))
}

func (r *removal) findPods(ctx context.Context) error {
	return r.at(r.config.GRPC.Address, func(c *nodeclient.Client) error {
		pods, err := c.Pods(ctx)
		r.pods = slices.DeleteFunc(pods, func(p nodeclient.Pod) bool {
			handler := p.Handler
			if handler == "" {
				handler = r.config.DefaultHandler
			}
			found, known := r.config.Handlers[handler]
			return !known || found.Kind == config.KindDelegate
		})
		return err
	})
}

func (r *removal) tell() {
	for _, pod := range r.pods {
		r.say("would stop and remove pod %s", pod)
	}
	for _, file := range slices.Backward(r.manifest.Files) {
		r.say("would remove %s", file.Path)
		if file.Replaced != "" {
			r.say("would put back %s", file.Replaced)
		}
	}
	if !r.NoRestart && !r.NoKubelet {
		r.say("would restart %s with %s, and stop %s", r.KubeletUnit, r.endpoint, daemonName)
	}
}

func (r *removal) run(ctx context.Context) error {
	if err := r.releaseKubelet(ctx); err != nil {
		return err
	}
	if !r.NoRestart {
		if err := r.services.stop(ctx, daemonName); err != nil {
			return err
		}
	}
	if err := r.remove(func(Installed) bool { return true }); err != nil {
		return err
	}
	place, err := r.Host.place(ManifestPath(r.Config))
	if err != nil {
		return err
	}
	if err := errors.Join(removeIfThere(place), r.Host.removeDirs(r.manifest.Dirs)); err != nil {
		return err
	}
	if r.services != nil && !r.NoRestart {
		if err := r.services.reload(ctx); err != nil {
			return err
		}
	}
	r.say("removed Wazelet; images and records stay in %s until you remove it", r.config.Root)
	if r.NoRestart {
		r.say("restart the kubelet, then end `wazelet serve`")
		return nil
	}
	return r.atEnd(ctx)
}

// releaseKubelet gives the kubelet back its runtime. It is down while the Wasm pods are
// removed, or it would start them again.
func (r *removal) releaseKubelet(ctx context.Context) error {
	if r.NoKubelet || r.NoRestart {
		if err := r.removePods(ctx); err != nil {
			return err
		}
		return r.remove(r.tellsKubelet)
	}
	if err := r.services.stop(ctx, r.KubeletUnit); err != nil {
		return err
	}
	err := r.findPods(ctx) // some may have come since
	if err == nil && len(r.pods) > 0 && !r.Force {
		err = r.mayGo(ctx)
	}
	if err == nil {
		err = r.removePods(ctx)
	}
	if err == nil {
		err = r.remove(r.tellsKubelet)
	}
	// It is started whatever came of it: as it was, or as it is to be.
	if err := errors.Join(err, r.services.reload(ctx), r.services.start(ctx, r.KubeletUnit)); err != nil {
		return err
	}
	r.say("restarted %s", r.KubeletUnit)
	return r.waitKubelet(ctx, r.endpoint)
}

func (r *removal) removePods(ctx context.Context) error {
	if len(r.pods) == 0 {
		return nil
	}
	return r.at(r.config.GRPC.Address, func(c *nodeclient.Client) error {
		for _, pod := range r.pods {
			if err := c.Remove(ctx, pod, podGrace); err != nil {
				return fmt.Errorf("pod %s: %w", pod, err)
			}
			r.say("stopped and removed pod %s", pod)
		}
		return nil
	})
}

// tellsKubelet picks the files that tell the kubelet of Wazelet: the one that names the
// socket, and the drop-in of its unit, which makes it wait for the daemon.
func (r *removal) tellsKubelet(file Installed) bool {
	return file.Path == r.manifest.KubeletFile || strings.HasPrefix(file.Path, unitDir+"/"+r.KubeletUnit+".d/")
}

// remove removes installed files, the last one first, and puts back what they replaced.
func (r *removal) remove(which func(Installed) bool) error {
	var errs []error
	for _, file := range slices.Backward(r.manifest.Files) {
		if !which(file) {
			continue
		}
		kept, err := r.Host.setAside(file)
		if err != nil {
			errs = append(errs, fmt.Errorf("remove %s: %w", file.Path, err))
			continue
		}
		if kept != "" {
			r.say("%s was changed since it was installed; it is %s now", file.Path, kept)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	r.manifest.Files = slices.DeleteFunc(r.manifest.Files, which)
	return r.manifest.write(r.Host, r.Config)
}

// atEnd looks whether the runtime's pods went on.
func (r *removal) atEnd(ctx context.Context) error {
	var now []nodeclient.Process
	err := r.at(r.endpoint, func(c *nodeclient.Client) (err error) {
		now, err = c.Processes(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return r.compare(ctx, now)
}
