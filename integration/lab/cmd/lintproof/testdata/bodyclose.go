// SPDX-License-Identifier: Apache-2.0

// Package fault has one.
package fault

import "net/http"

func status() (int, error) {
	response, err := http.Get("http://registry.example/") // want bodyclose "response body must be closed"
	if err != nil {
		return 0, err
	}
	return response.StatusCode, nil
}

var _ = status
