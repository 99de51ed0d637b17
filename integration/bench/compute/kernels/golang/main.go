// SPDX-License-Identifier: Apache-2.0

// Command golang does one kernel's work for some rounds, and prints for each its
// nanoseconds and a checksum of what came out.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// kernels by name. Each makes what it works on, and returns what a round does, which
// answers a checksum; every round does the same.
var kernels = map[string]func() func() uint32{
	"hash":        hash,
	"json":        records,
	"sort":        sorting,
	"matrix":      matrix,
	"regex":       search,
	"compression": compression,
	"http":        requests,
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 || kernels[args[0]] == nil {
		return fmt.Errorf("usage: golang KERNEL ROUNDS, with KERNEL one of %d", len(kernels))
	}
	rounds, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	for round := kernels[args[0]](); rounds > 0; rounds-- {
		began := time.Now()
		sum := round()
		took := time.Since(began)
		if _, err := fmt.Fprintf(os.Stdout, "%d %08x\n", took.Nanoseconds(), sum); err != nil {
			return err
		}
	}
	return nil
}

// numbers is a generator that gives the same numbers everywhere (xorshift).
type numbers uint64

func (n *numbers) next() uint64 {
	*n ^= *n << 13
	*n ^= *n >> 7
	*n ^= *n << 17
	return uint64(*n)
}

// seed is where a generator begins.
const seed numbers = 0x9e3779b97f4a7c15

// words of which texts are made.
var words = [...]string{
	"the", "pod", "of", "a", "node", "module", "and", "runs", "memory", "in", "container", "sandbox", "is", "image",
	"kubelet", "network", "to", "worker", "starts", "ends", "with", "engine", "code", "page",
}

// prose returns a text of about so many bytes, with an address of mail now and then.
func prose(size int) []byte {
	text, n := make([]byte, 0, size+64), seed
	for len(text) < size {
		x := n.next()
		text = append(append(text, words[x%uint64(len(words))]...), ' ')
		if x>>32%40 == 0 {
			text = fmt.Appendf(text, "%s.%s%d@%s.example ", words[x>>8%24], words[x>>16%24], x>>40%1000, words[x>>24%24])
		}
		if x>>33%12 == 0 {
			text = append(text, ".\n"...)
		}
	}
	return text
}
