// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"regexp"
	"slices"
)

// hash is SHA-256 of 8 MiB.
func hash() func() uint32 {
	text := make([]byte, 8<<20)
	for n, i := seed, 0; i < len(text); i += 8 {
		binary.LittleEndian.PutUint64(text[i:], n.next())
	}
	return func() uint32 {
		sum := sha256.Sum256(text)
		return binary.BigEndian.Uint32(sum[:])
	}
}

// record is what is encoded: numbers, texts, lists, maps.
type record struct {
	ID      uint64            `json:"id"`
	Name    string            `json:"name"`
	Ready   bool              `json:"ready"`
	Load    float64           `json:"load"`
	Labels  map[string]string `json:"labels"`
	Ports   []int             `json:"ports"`
	Message string            `json:"message,omitempty"`
}

// records decodes and encodes 2,000 records.
func records() func() uint32 {
	n := seed
	list := make([]record, 2000)
	for i := range list {
		x := n.next()
		list[i] = record{
			ID: x, Name: fmt.Sprintf("%s-%d", words[x%24], i), Ready: x&1 == 0, Load: float64(x>>40) / 1024,
			Labels: map[string]string{"app": words[x>>8%24], "tier": words[x>>16%24]},
			Ports:  []int{int(x >> 20 % 65536), int(x >> 30 % 65536)}, Message: words[x>>12%24] + " \"quoted\" and <more>",
		}
	}
	text := must(json.Marshal(list))
	return func() uint32 {
		var decoded []record
		check(json.Unmarshal(text, &decoded))
		return crc32.ChecksumIEEE(must(json.Marshal(decoded)))
	}
}

// sorting sorts 500,000 numbers.
func sorting() func() uint32 {
	n := seed
	given := make([]int64, 500_000)
	for i := range given {
		given[i] = int64(n.next())
	}
	list := make([]int64, len(given))
	return func() uint32 {
		copy(list, given)
		slices.Sort(list)
		var sum uint32
		for i := 0; i < len(list); i += 997 {
			sum = sum*31 + uint32(list[i])
		}
		return sum
	}
}

// matrix multiplies two matrices of 384 by 384 numbers.
func matrix() func() uint32 {
	const n = 384
	var a, b, c [n][n]float64
	for i := range n {
		for j := range n {
			a[i][j], b[i][j] = float64(i-j), float64(i+2*j)
		}
	}
	return func() uint32 {
		c = [n][n]float64{}
		for i := range n {
			for k := range n {
				x, from, to := a[i][k], &b[k], &c[i]
				for j := range n {
					to[j] += x * from[j]
				}
			}
		}
		var sum uint32
		for i := range n {
			sum = sum*31 + uint32(int64(c[i][n-1-i]))
		}
		return sum
	}
}

// search finds the addresses of mail in 256 KiB of text, and words in another way.
func search() func() uint32 {
	text := prose(256 << 10)
	addresses := regexp.MustCompile(`\b([a-z]+)\.([a-z]+)([0-9]{1,3})@([a-z]+)\.example\b`)
	phrases := regexp.MustCompile(`(?:pod|node|container)s? (?:of|in|with) (?:the|a) [a-z]*`)
	return func() uint32 {
		sum := crc32.NewIEEE()
		for _, found := range addresses.FindAllSubmatch(text, -1) {
			must(sum.Write(found[3]))
		}
		for _, found := range phrases.FindAllIndex(text, -1) {
			must(sum.Write(text[found[0]:found[1]]))
		}
		return sum.Sum32()
	}
}

// compression deflates and inflates 1 MiB of text.
func compression() func() uint32 {
	text := prose(1 << 20)
	return func() uint32 {
		var small bytes.Buffer
		w := must(flate.NewWriter(&small, 6))
		must(w.Write(text))
		check(w.Close())
		sum := crc32.ChecksumIEEE(small.Bytes())
		whole := must(io.ReadAll(flate.NewReader(&small)))
		return crc32.Update(sum, crc32.IEEETable, whole)
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}
