// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// ask is a request that leaves its connection to be closed by the server.
const ask = "GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"

// firstAnswer connects until the server answers with 200. A refused connection
// is tried again at once, as nobody waits in between.
func firstAnswer(ctx context.Context, address string) error {
	for {
		err := answer(address)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w: last: %w", address, context.Cause(ctx), err)
		}
		time.Sleep(200 * time.Microsecond)
	}
}

func answer(address string) error {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte(ask)); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

// requests counts how many requests a second a server answers on connections
// that are kept.
func requests(ctx context.Context, address string, connections int, d time.Duration) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var count atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	began := time.Now()
	for range connections {
		all.Go(func() {
			if err := keepAsking(ctx, address, &count); err != nil {
				failed.Store(&err)
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(count.Load()) / time.Since(began).Seconds(), nil
}

func keepAsking(ctx context.Context, address string, count *atomic.Int64) error {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for ctx.Err() == nil {
		if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: bench\r\n\r\n")); err != nil {
			return err
		}
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			return err
		}
		response.Body.Close()
		count.Add(1)
	}
	return nil
}
