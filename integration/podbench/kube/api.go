// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/wazelet/wazelet/integration/lab"
)

// namespace of the pods.
const namespace = "bench"

const podsPath = "/api/v1/namespaces/" + namespace + "/pods"

// api speaks to the API server.
type api struct {
	client *http.Client
	url    string
}

func connect(cluster *lab.Cluster) (*api, error) {
	client, url, err := cluster.API()
	return &api{client: client, url: url}, err
}

// request makes a request, and returns its answer's body if that is one of success.
func (a *api) request(ctx context.Context, method, path string, body any) (io.ReadCloser, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, a.url+path, content)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 != 2 {
		defer response.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(response.Body, 4096)) // the status says enough
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, text)
	}
	return response.Body, nil
}

// do makes a request and decodes what is answered.
func (a *api) do(ctx context.Context, method, path string, body, answer any) error {
	content, err := a.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer content.Close()
	return json.NewDecoder(content).Decode(answer)
}

// podObject is what the pods are, in both forms of the workload: a plain pod with what
// every pod has unless it says otherwise, a token among it.
func podObject(name string, side *Side) map[string]any {
	type object = map[string]any
	spec := object{
		"securityContext":               object{"seccompProfile": object{"type": "RuntimeDefault"}},
		"terminationGracePeriodSeconds": 30,
		"containers": []object{{
			"name": "main", "image": side.Image, "imagePullPolicy": "IfNotPresent",
			"args":  []string{port},
			"ports": []object{{"name": "http", "containerPort": json.Number(port)}},
			"resources": object{
				"requests": object{"cpu": "1m", "memory": "8Mi"},
				"limits":   object{"memory": "256Mi"},
			},
		}},
	}
	if side.Class != "" {
		spec["runtimeClassName"] = side.Class
	}
	return object{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": object{"name": name, "namespace": namespace}, "spec": spec,
	}
}

// port is where a pod serves.
const port = "8080"
