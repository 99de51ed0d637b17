// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// pingPong has a process beside this one send the guest a byte, wait for it to
// come back, and so on. The guest polls for each.
func pingPong(count int32) func(context.Context, *contender) (time.Duration, error) {
	return func(ctx context.Context, c *contender) (time.Duration, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var answer bytes.Buffer
		cmd := exec.CommandContext(ctx, "/proc/self/exe", "ping", strconv.Itoa(int(count)))
		cmd.Stdin, cmd.Stdout, cmd.Stderr = c.back, c.there, &answer
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		_, err := c.guest.call("echo", count)
		if err != nil {
			cancel() // it would wait for ever
		}
		if err = errors.Join(err, cmd.Wait()); err != nil {
			return 0, fmt.Errorf("%w: %s", err, &answer)
		}
		var median time.Duration
		return median, json.Unmarshal(answer.Bytes(), &median)
	}
}

// ping is the process beside: it sends bytes through its standard output, and
// writes to its standard error the median, in nanoseconds, of the times until they
// came back.
func ping(args []string) error {
	if len(args) != 1 {
		return errors.New("ping: how often?")
	}
	count, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	times := make([]time.Duration, count)
	b := []byte{1}
	for i := range times {
		began := time.Now()
		if _, err := unix.Write(1, b); err != nil {
			return fmt.Errorf("ping: %w", err)
		}
		if n, err := unix.Read(0, b); n != 1 {
			return fmt.Errorf("ping: %d bytes came back: %w", n, err)
		}
		times[i] = time.Since(began)
	}
	return json.NewEncoder(os.Stderr).Encode(median(times))
}
