// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// daemon is one long-running program of the laboratory.
type daemon struct {
	name string
	log  string
	cmd  *exec.Cmd
	// ended is closed when the process is gone and err is set.
	ended chan struct{}
	err   error
}

// startDaemon starts the program in the laboratory, its output appended to
// log/<name>.log.
func (c *Cluster) startDaemon(name, path string, args ...string) error {
	d := &daemon{name: name, log: c.LogFile(name), ended: make(chan struct{})}
	log, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	d.cmd = exec.Command(path, args...)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	// A session of its own: Ctrl-C at the demo ends the demo, which then ends
	// the daemons in order.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(d.cmd); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		d.err = d.cmd.Wait()
		close(d.ended)
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running[name] = d
	return nil
}

// Start starts a command inside the laboratory's namespaces and cgroup. Without
// a Dir it starts in the scratch folder, without an Env it gets a plain one.
func (c *Cluster) Start(cmd *exec.Cmd) error {
	if cmd.Dir == "" {
		cmd.Dir = c.dir
	}
	if cmd.Env == nil {
		cmd.Env = c.environment()
	}
	if c.cgroups.v2 {
		leaf, err := os.Open(c.cgroups.daemons())
		if err != nil {
			return err
		}
		defer leaf.Close()
		if cmd.SysProcAttr == nil {
			cmd.SysProcAttr = &syscall.SysProcAttr{}
		}
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(leaf.Fd())
	}
	return onThread(func() error {
		if err := c.cgroups.joinThread(); err != nil {
			return err
		}
		if err := c.namespaces.enter(); err != nil {
			return err
		}
		return cmd.Start()
	})
}

func (c *Cluster) environment() []string {
	return []string{
		"PATH=" + c.options.Parts + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + c.path("home"),
		"KUBECONFIG=" + c.path("admin.conf"),
		"KUBECACHEDIR=" + c.path("home", "kube-cache"),
		"CRI_CONFIG_FILE=" + c.path("crictl.yaml"),
		"LANG=C.UTF-8",
	}
}

func (c *Cluster) daemon(name string) *daemon {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running[name]
}

// stopDaemon ends the named daemon with the signal and waits; when it outlives
// the grace it is killed. A daemon that does not run is fine.
func (c *Cluster) stopDaemon(name string, signal unix.Signal, grace time.Duration) error {
	c.mu.Lock()
	d := c.running[name]
	delete(c.running, name)
	c.mu.Unlock()
	if d == nil {
		return nil
	}
	if err := d.signal(signal); err != nil {
		return err
	}
	select {
	case <-d.ended:
		return nil
	case <-time.After(grace):
	}
	if err := d.signal(unix.SIGKILL); err != nil {
		return err
	}
	<-d.ended
	return nil
}

func (d *daemon) signal(signal unix.Signal) error {
	err := d.cmd.Process.Signal(signal)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", d.name, err)
	}
	return nil
}

// until calls ready about every 50 ms until it returns nil; it gives up when the
// context ends or one of the daemons does.
func (c *Cluster) until(ctx context.Context, what string, ready func(context.Context) error, names ...string) error {
	ctx, stop := c.whileRunning(ctx, names...)
	defer stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			cause := context.Cause(ctx)
			if errors.Is(err, cause) {
				return fmt.Errorf("wait for %s: %w", what, cause)
			}
			return fmt.Errorf("wait for %s: %w; last answer: %w", what, cause, err)
		case <-tick.C:
		}
	}
}

// whileRunning returns a context that ends with the first of the daemons that does;
// its cause shows the daemon's last words.
func (c *Cluster) whileRunning(ctx context.Context, names ...string) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	for _, name := range names {
		d := c.daemon(name)
		if d == nil {
			cancel(fmt.Errorf("%s does not run", name))
			continue
		}
		go func() {
			select {
			case <-d.ended:
				cancel(fmt.Errorf("%s ended: %w\n%s", name, orExit0(d.err), Tail(d.log, 20)))
			case <-ctx.Done():
			}
		}()
	}
	return ctx, func() { cancel(nil) }
}

func (d *daemon) hasEnded() bool {
	select {
	case <-d.ended:
		return true
	default:
		return false
	}
}

func orExit0(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// LogFile returns the file that holds the named daemon's output. The daemons are
// etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet,
// registry, registry-private, wazelet and containerd.
func (c *Cluster) LogFile(name string) string { return c.path("log", name+".log") }

// LogFiles returns the log files of all daemons started so far.
func (c *Cluster) LogFiles() []string {
	files, err := filepath.Glob(c.path("log", "*.log"))
	if err != nil {
		return nil // only a malformed pattern fails
	}
	return files
}

// Tail returns the last lines of a file, and at most 16 KiB, or the reason why it
// cannot be read: it is meant for messages.
func Tail(file string, lines int) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	content = content[max(0, len(content)-16<<10):]
	all := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
