// SPDX-License-Identifier: Apache-2.0

// Command kernels computes: each kernel does the same work wherever it runs, is
// done once to warm up, and then prints the nanoseconds that it took.
package main

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

var kernels = []struct {
	name string
	run  func() int // what it computes, so that no compiler leaves it out
}{
	{"hash", hash}, {"json", jsonText}, {"sort", sortNumbers}, {"matrix", matrix}, {"regex", regex}, {"compress", compress},
}

func main() {
	sum := 0
	for _, k := range kernels {
		k.run()
		start := time.Now()
		sum += k.run()
		fmt.Printf("%s %d\n", k.name, time.Since(start).Nanoseconds())
	}
	fmt.Fprintln(os.Stderr, "checksum", sum)
}

// source always gives the same numbers.
func source() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// prose is text of words, with some repetition as texts have.
func prose(size int) []byte {
	words := strings.Fields("pod node sandbox container image layer volume kubelet runtime wasm module engine worker 10.0.0.7 v1.37.2 a@example.org")
	random, text := source(), make([]byte, 0, size+16)
	for len(text) < size {
		text = append(append(text, words[random.IntN(len(words))]...), ' ')
	}
	return text[:size]
}

func hash() int {
	block, sum := prose(1<<20), sha256.New()
	for range 16 {
		sum.Write(block)
	}
	return int(sum.Sum(nil)[0])
}

func jsonText() int {
	type item struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
		Ports  []int             `json:"ports"`
		Weight float64           `json:"weight"`
	}
	random := source()
	items := make([]item, 2000)
	for i := range items {
		items[i] = item{
			Name: fmt.Sprintf("pod-%d", i), Weight: random.Float64(), Ports: []int{80, 443, random.IntN(1 << 16)},
			Labels: map[string]string{"app": "web", "tier": fmt.Sprint(i % 7)},
		}
	}
	size := 0
	for range 4 {
		text, err := json.Marshal(items)
		if err != nil {
			panic(err)
		}
		var back []item
		if err := json.Unmarshal(text, &back); err != nil {
			panic(err)
		}
		size += len(text) + len(back)
	}
	return size
}

func sortNumbers() int {
	random, numbers := source(), make([]int, 1<<20)
	for i := range numbers {
		numbers[i] = random.Int()
	}
	slices.Sort(numbers)
	return numbers[len(numbers)/2]
}

func matrix() int {
	const n = 320
	random := source()
	a, b, c := make([]float64, n*n), make([]float64, n*n), make([]float64, n*n)
	for i := range a {
		a[i], b[i] = random.Float64(), random.Float64()
	}
	for i := range n {
		for k := range n {
			x := a[i*n+k]
			for j := range n {
				c[i*n+j] += x * b[k*n+j]
			}
		}
	}
	return int(c[n*n/2])
}

func regex() int {
	text := prose(256 << 10)
	found := 0
	for _, pattern := range []string{`\d+\.\d+\.\d+\.\d+`, `[a-z]+@[a-z.]+`, `(?:pod|node) (s\w+)`} {
		found += len(regexp.MustCompile(pattern).FindAllIndex(text, -1))
	}
	return found
}

func compress() int {
	text := prose(1 << 20)
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil {
		panic(err)
	}
	if _, err := w.Write(text); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	back, err := io.ReadAll(flate.NewReader(bytes.NewReader(out.Bytes())))
	if err != nil || !bytes.Equal(back, text) {
		panic("compress: not what it was")
	}
	return out.Len()
}
