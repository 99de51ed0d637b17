// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"os"
	"time"

	"github.com/wazelet/wazelet/integration/podbench/process"
)

// Who uses the processors.
const (
	whoDaemon  = "daemon"
	whoPlugins = "CNI plugins" // and whatever else the daemon runs and waits for
	whoPods    = "pods"        // the processes in their cgroups, and the shims with runc
	whoBench   = "this client"
	whoElse    = "all else" // the kernel's threads, and what has nothing to do with it
)

// daemons are those of the cluster, by what they are called here.
var daemons = map[string]string{
	"kubelet": "kubelet", "kube-apiserver": "API server", "etcd": "etcd",
	"kube-scheduler": "scheduler", "kube-controller-manager": "controllers",
}

// account is the processor time that each has used.
type account map[string]time.Duration

// account reads it.
func (b *bench) account() (account, error) {
	a := account{}
	busy, err := process.Busy()
	if err != nil {
		return nil, err
	}
	for daemon, who := range daemons {
		own, children, err := process.Time(b.cluster.PID(daemon))
		if err != nil {
			return nil, err
		}
		a[who] = own + children
	}
	side := b.now.side
	if a[whoDaemon], a[whoPlugins], err = process.Time(side.PID); err != nil {
		return nil, err
	}
	if a[whoBench], _, err = process.Time(os.Getpid()); err != nil {
		return nil, err
	}
	if a[whoPods], err = b.podTime(); err != nil {
		return nil, err
	}
	a[whoElse] = busy - a.sum()
	return a, nil
}

// podTime is what is used in the pods' cgroups, and by the shims.
func (b *bench) podTime() (time.Duration, error) {
	pods := b.now.side.Pods
	sum, err := process.CgroupTime(pods.Cgroup)
	if err != nil {
		return 0, err
	}
	shims, err := pods.Shims()
	if err != nil {
		return 0, err
	}
	for _, pid := range shims {
		own, children, err := process.Time(pid)
		if err != nil {
			return 0, err
		}
		sum += own + children
	}
	return sum, nil
}

func (a account) sum() (sum time.Duration) {
	for _, time := range a {
		sum += time
	}
	return sum
}

func (a account) since(earlier account) account {
	d := account{}
	for who, time := range a {
		d[who] = time - earlier[who]
	}
	return d
}
