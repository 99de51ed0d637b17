// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// step is a part of bringing a laboratory up.
type step struct {
	name string
	run  func(context.Context) error
}

// Up brings the laboratory up and returns when its node is Ready. After an error
// Down takes away what was made.
func (c *Cluster) Up(ctx context.Context) error {
	if err := c.check("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl"); err != nil {
		return err
	}
	return c.take(ctx, []step{
		{"namespaces", c.prepare},
		{"containerd", c.startUpstream},
		{"registry, etcd, wazelet", c.startBase},
		{"API server", c.startAPIServer},
		{"controllers, scheduler, kubelet", c.startControllers},
		{"node Ready", c.waitNode},
	})
}

// UpRuntime brings the laboratory up without Kubernetes: namespaces, registries and
// wazelet, for those who speak to it themselves. Down takes it away too.
func (c *Cluster) UpRuntime(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.take(ctx, []step{
		{"namespaces", c.prepare},
		{"registries", c.startRegistries},
		{"containerd", c.startUpstream},
		{"wazelet", c.StartRuntime},
		{"wazelet answers", c.waitRuntime},
		{"registries answer", c.waitRegistries},
	})
}

func (c *Cluster) take(ctx context.Context, steps []step) error {
	start := time.Now()
	for _, step := range steps {
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("bring up %s: %w", step.name, err)
		}
		c.printf("lab: %-32s %s", step.name, time.Since(start).Round(time.Millisecond))
	}
	return nil
}

// check finds missing programs before anything is started: those named, and those
// that every laboratory needs.
func (c *Cluster) check(names ...string) error {
	for _, name := range append(names, "crictl", "registry", "cni/bridge") {
		if _, err := os.Stat(c.part(name)); err != nil {
			return fmt.Errorf("part %s: %w (go run ./integration/lab/cmd/parts builds it)", name, err)
		}
	}
	beside := filepath.Dir(c.options.Wazelet)
	for _, path := range []string{c.options.Wazelet, filepath.Join(beside, "wazelet-worker"), filepath.Join(beside, "wazelet-worker-http")} {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%w (make build builds it)", err)
		}
	}
	return nil
}

func (c *Cluster) prepare(context.Context) error {
	if err := c.writeConfigs(); err != nil {
		return err
	}
	var err error
	if c.claim, err = stake(c.name); err != nil {
		return err
	}
	if err := c.cgroups.create(); err != nil {
		return err
	}
	if err := errors.Join(c.makeState(), c.makeDisk()); err != nil {
		return err
	}
	return c.namespaces.create(c.arrangeMounts)
}

// startUpstream starts containerd where wazelet hands pods to it.
func (c *Cluster) startUpstream(ctx context.Context) error {
	if !c.options.Mixed {
		return nil
	}
	return c.StartContainerd(ctx)
}

func (c *Cluster) startRegistries(context.Context) error {
	return errors.Join(
		c.startDaemon("registry", c.part("registry"), "serve", c.path("registry.yaml")),
		c.startDaemon("registry-private", c.part("registry"), "serve", c.path("registry-private.yaml")),
	)
}

func (c *Cluster) waitRegistries(ctx context.Context) error {
	return c.until(ctx, "the registries to listen", func(ctx context.Context) error {
		for _, address := range []string{registryAddress, privateRegistryAddress} {
			conn, err := c.Dial(ctx, "tcp", address)
			if err != nil {
				return err
			}
			conn.Close()
		}
		return nil
	}, "registry", "registry-private")
}

func (c *Cluster) startBase(ctx context.Context) error {
	return errors.Join(
		c.startRegistries(ctx),
		c.startEtcd(),
		c.StartRuntime(ctx),
	)
}

func (c *Cluster) startEtcd() error {
	return c.startDaemon("etcd", c.part("etcd"),
		"--data-dir", c.path("etcd"),
		"--listen-client-urls", "http://127.0.0.1:2379",
		"--advertise-client-urls", "http://127.0.0.1:2379",
		"--listen-peer-urls", "http://127.0.0.1:2380",
		// The data is thrown away: a power failure may take it.
		"--unsafe-no-fsync",
		"--log-level", "warn",
	)
}

func (c *Cluster) startAPIServer(ctx context.Context) error {
	pki := func(name string) string { return c.path("pki", name) }
	var gates []string
	for _, gate := range c.options.FeatureGates {
		gates = append(gates, "--feature-gates="+gate+"=true")
	}
	err := c.startDaemon("kube-apiserver", c.part("kube-apiserver"), append(gates,
		"--etcd-servers", "http://127.0.0.1:2379",
		"--advertise-address", nodeIP,
		"--bind-address", "0.0.0.0",
		"--allow-privileged=true", // as on most clusters: it is for the runtime to say no
		"--secure-port", "6443",
		"--tls-cert-file", pki("api.crt"),
		"--tls-private-key-file", pki("api.key"),
		"--cert-dir", c.path("pki"),
		"--token-auth-file", c.path("tokens.csv"),
		"--authorization-mode", "Node,RBAC",
		"--enable-admission-plugins", "NodeRestriction",
		"--service-account-issuer", "https://kubernetes.default.svc",
		"--service-account-key-file", pki("sa.key"),
		"--service-account-signing-key-file", pki("sa.key"),
		"--service-cluster-ip-range", serviceCIDR+","+serviceCIDRv6,
		"--client-ca-file", pki("ca.crt"),
		"--kubelet-client-certificate", pki("kubelet-client.crt"),
		"--kubelet-client-key", pki("kubelet-client.key"),
		"--kubelet-preferred-address-types", "InternalIP",
		// For what is served beside the API server, such as the metrics server. There
		// is no kube-proxy: it is reached by its own address.
		"--requestheader-client-ca-file", pki("front-proxy/ca.crt"),
		"--requestheader-allowed-names", frontProxy,
		"--requestheader-username-headers", "X-Remote-User",
		"--requestheader-group-headers", "X-Remote-Group",
		"--requestheader-extra-headers-prefix", "X-Remote-Extra-",
		"--proxy-client-cert-file", pki("front-proxy/client.crt"),
		"--proxy-client-key-file", pki("front-proxy/client.key"),
		"--enable-aggregator-routing",
	)...)
	if err != nil {
		return err
	}
	client, _, err := c.API()
	if err != nil {
		return err
	}
	client.Timeout = 5 * time.Second
	defer client.CloseIdleConnections()
	return c.until(ctx, "the API server's /readyz", func(ctx context.Context) error {
		return c.get(ctx, client, "https://"+apiAddress+"/readyz")
	}, "kube-apiserver", "etcd")
}

func (c *Cluster) startControllers(ctx context.Context) error {
	if err := c.startControlPlane(); err != nil {
		return err
	}
	// The kubelet ends when its runtime does not answer at the start.
	if err := c.waitRuntime(ctx); err != nil {
		return err
	}
	return c.startKubelet()
}

func (c *Cluster) startControlPlane() error {
	common := []string{"--kubeconfig", c.path("admin.conf"), "--bind-address", "127.0.0.1", "--leader-elect=false"}
	return errors.Join(
		c.startDaemon("kube-controller-manager", c.part("kube-controller-manager"), append(common,
			"--service-account-private-key-file", c.path("pki/sa.key"),
			"--root-ca-file", c.path("pki/ca.crt"),
			// As quick as it can be: a new pod's CPU counts at once.
			"--horizontal-pod-autoscaler-sync-period", "2s",
			"--horizontal-pod-autoscaler-initial-readiness-delay", "1s",
			"--horizontal-pod-autoscaler-cpu-initialization-period", "1s")...),
		c.startDaemon("kube-scheduler", c.part("kube-scheduler"), common...),
	)
}

func (c *Cluster) waitNode(ctx context.Context) error { return c.waitNodeOf(ctx, "kubelet", "wazelet") }

// waitNodeOf waits for the node while these daemons of its run, and the control plane.
func (c *Cluster) waitNodeOf(ctx context.Context, daemons ...string) error {
	ctx, stop := c.whileRunning(ctx, append(daemons, "kube-apiserver", "kube-controller-manager")...)
	defer stop()
	node := "node/" + c.options.Node
	err := c.WaitCreated(ctx, "default", node, "serviceaccount/default")
	if err == nil {
		err = c.Wait(ctx, "--for=condition=Ready", node)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, Tail(c.LogFile("kubelet"), 10))
	}
	return nil
}

// HTTP returns a client that connects from within the laboratory's network, so
// that pods and Services can be reached by their own addresses.
func (c *Cluster) HTTP() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: c.Dial}, Timeout: 30 * time.Second}
}

// API returns a client that is the cluster's administrator, and the address of the API
// server that its requests are for.
func (c *Cluster) API() (client *http.Client, url string, err error) {
	ca, err := os.ReadFile(c.path("pki/ca.crt"))
	if err != nil {
		return nil, "", err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	transport := &http.Transport{
		DialContext: c.Dial, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
	}
	return &http.Client{Transport: administrator{transport, c.tokens.admin}}, "https://" + apiAddress, nil
}

// administrator makes requests in the name of the cluster's administrator.
type administrator struct {
	*http.Transport
	token string
}

// RoundTrip makes one request.
func (a administrator) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+a.token)
	return a.Transport.RoundTrip(request)
}

// get wants an answer of 200.
func (c *Cluster) get(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
		return errors.Join(fmt.Errorf("%s: %s\n%s", url, response.Status, body), err)
	}
	return nil
}
