// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// NodeLabel is the label of nodes where Wazelet is installed, whose value is "true". The
// chart's RuntimeClasses select nodes by it.
const NodeLabel = "wazelet.dev/installed"

// serviceAccount is where a pod finds its credentials for the API server.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// maxObject bounds an answer of the API server, in bytes.
const maxObject = 4 << 20

// Kubernetes is the API server, as a pod with a ServiceAccount reaches it. An installer
// needs two requests of it, which is why this is no client library.
type Kubernetes struct {
	server string // https://host:port
	token  string // the file with the bearer token, which is renewed
	client *http.Client
}

// InCluster makes the API server's client from what every pod is given.
func InCluster() (*Kubernetes, error) {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, errors.New("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: only a pod of the cluster can label its node")
	}
	return newKubernetes("https://"+net.JoinHostPort(host, port), serviceAccount)
}

// newKubernetes makes a client of a server by the files in a folder of credentials.
func newKubernetes(server, credentials string) (*Kubernetes, error) {
	ca, err := os.ReadFile(filepath.Join(credentials, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("the pod's ServiceAccount: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("the pod's ServiceAccount: ca.crt holds no certificate")
	}
	return &Kubernetes{
		server: server, token: filepath.Join(credentials, "token"),
		client: &http.Client{
			Timeout:   30 * time.Second,
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}},
		},
	}, nil
}

// Label puts NodeLabel on a node, or takes it off.
func (k *Kubernetes) Label(ctx context.Context, node string, installed bool) error {
	var value any // null removes
	if installed {
		value = "true"
	}
	patch := map[string]any{"metadata": map[string]any{"labels": map[string]any{NodeLabel: value}}}
	err := k.do(ctx, http.MethodPatch, "/api/v1/nodes/"+url.PathEscape(node), "application/merge-patch+json", patch, nil)
	if err != nil {
		return fmt.Errorf("label %s of node %s: %w", NodeLabel, node, err)
	}
	return nil
}

// daemonSet is what is read of one, apps/v1.
type daemonSet struct {
	Metadata struct {
		Generation int64 `json:"generation"`
	} `json:"metadata"`
	Status struct {
		ObservedGeneration     int64 `json:"observedGeneration"`
		DesiredNumberScheduled int   `json:"desiredNumberScheduled"`
		UpdatedNumberScheduled int   `json:"updatedNumberScheduled"`
		NumberReady            int   `json:"numberReady"`
	} `json:"status"`
}

// done says whether the pods of the present template are ready on every node.
func (d daemonSet) done() bool {
	s := d.Status
	return s.ObservedGeneration >= d.Metadata.Generation && s.UpdatedNumberScheduled == s.DesiredNumberScheduled && s.NumberReady == s.DesiredNumberScheduled
}

// fleetContainer is the name of the DaemonSet's init container that works on a node, and
// fleetRun the annotation of its pods that makes each run a new one.
const (
	fleetContainer = "installer"
	fleetRun       = "wazelet.dev/run"
)

// RunOnFleet has a DaemonSet, named NAMESPACE/NAME, run its installer with other
// arguments, in new pods, and waits until it has done its work on every node. tell is
// called with how far it is.
func (k *Kubernetes) RunOnFleet(ctx context.Context, name string, args []string, tell func(string)) error {
	namespace, short, found := strings.Cut(name, "/")
	if !found || namespace == "" || short == "" {
		return fmt.Errorf("%q names no DaemonSet: NAMESPACE/NAME does", name)
	}
	path := "/apis/apps/v1/namespaces/" + url.PathEscape(namespace) + "/daemonsets/" + url.PathEscape(short)
	// New pods, even when the arguments are those of a run that has failed: the old ones
	// wait longer and longer between two tries.
	patch := map[string]any{"spec": map[string]any{"template": map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{fleetRun: time.Now().UTC().Format(time.RFC3339Nano)}},
		"spec":     map[string]any{"initContainers": []map[string]any{{"name": fleetContainer, "args": args}}},
	}}}
	if err := k.do(ctx, http.MethodPatch, path, "application/strategic-merge-patch+json", patch, nil); err != nil {
		return fmt.Errorf("DaemonSet %s: %w", name, err)
	}
	last := ""
	for {
		var d daemonSet
		if err := k.do(ctx, http.MethodGet, path, "", nil, &d); err != nil {
			return fmt.Errorf("DaemonSet %s: %w", name, err)
		}
		if d.done() {
			return nil
		}
		if now := fmt.Sprintf("%d of %d nodes", min(d.Status.NumberReady, d.Status.UpdatedNumberScheduled), d.Status.DesiredNumberScheduled); now != last {
			tell(now)
			last = now
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("DaemonSet %s: %w after %s; the logs of its pods tell why", name, context.Cause(ctx), last)
		case <-time.After(time.Second):
		}
	}
}

// do sends a request, with body as JSON, and decodes the answer's.
func (k *Kubernetes) do(ctx context.Context, method, path, contentType string, body, into any) error {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, k.server+path, content)
	if err != nil {
		return err
	}
	token, err := os.ReadFile(k.token)
	if err != nil {
		return fmt.Errorf("the pod's ServiceAccount: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	request.Header.Set("Accept", "application/json")
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := k.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxObject))
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		var status struct{ Message string }
		if json.Unmarshal(answer, &status) != nil || status.Message == "" {
			status.Message = response.Status
		}
		return errors.New(status.Message)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}
