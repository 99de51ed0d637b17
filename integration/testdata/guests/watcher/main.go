// SPDX-License-Identifier: Apache-2.0

// Command watcher waits until the file named by its first argument contains the
// text that is its second, says so, and ends.
package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

func main() {
	file, text := os.Args[1], os.Args[2]
	fmt.Println("watching", file)
	for {
		content, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(content), text) {
			fmt.Printf("seen: %s\n", content)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}
