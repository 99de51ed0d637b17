// SPDX-License-Identifier: Apache-2.0

// Guest is the module the worker's tests run: a handful of small commands. Each
// argument is one command with its operands, separated by commas; they run in
// order, print what they find, and errors go to stdout like everything else.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	for _, arg := range os.Args[1:] {
		words := strings.Split(arg, ",")
		run, ok := commands[words[0]]
		if !ok {
			fmt.Printf("%s: unknown\n", words[0])
			os.Exit(2)
		}
		text, err := run(words[1:])
		if err != nil {
			fmt.Printf("%s: %v\n", arg, err)
			continue
		}
		fmt.Printf("%s: %s\n", arg, text)
	}
}

var commands = map[string]func([]string) (string, error){
	"args": func([]string) (string, error) { return strings.Join(os.Args, " "), nil },
	"env":  func(w []string) (string, error) { return os.Getenv(w[0]), nil },
	"cwd":  func([]string) (string, error) { return os.Getwd() },
	"cat": func(w []string) (string, error) {
		b, err := os.ReadFile(w[0])
		return strings.TrimSpace(string(b)), err
	},
	"size": func(w []string) (string, error) {
		b, err := os.ReadFile(w[0])
		return strconv.Itoa(len(b)), err
	},
	"head": func(w []string) (string, error) {
		f, err := os.Open(w[0])
		if err != nil {
			return "", err
		}
		defer f.Close()
		b := make([]byte, 4)
		n, err := io.ReadFull(f, b)
		return fmt.Sprintf("%x", b[:n]), err
	},
	"ls": func(w []string) (string, error) {
		entries, err := os.ReadDir(w[0])
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return strings.Join(names, " "), err
	},
	"write": func(w []string) (string, error) {
		return "ok", os.WriteFile(w[0], []byte(w[1]), 0o644)
	},
	"rename":  func(w []string) (string, error) { return "ok", os.Rename(w[0], w[1]) },
	"link":    func(w []string) (string, error) { return "ok", os.Link(w[0], w[1]) },
	"symlink": func(w []string) (string, error) { return "ok", os.Symlink(w[0], w[1]) },
	"remove":  func(w []string) (string, error) { return "ok", os.Remove(w[0]) },
	"stat": func(w []string) (string, error) {
		st, err := os.Stat(w[0])
		if err != nil {
			return "", err
		}
		return st.Mode().Type().String(), nil
	},
	"stdin": func([]string) (string, error) {
		b, err := io.ReadAll(os.Stdin)
		return string(b), err
	},
	"echo": func([]string) (string, error) {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			fmt.Println("echo " + lines.Text())
			fmt.Fprintln(os.Stderr, "and "+lines.Text())
		}
		return "end", nil
	},
	"interrupt": func(w []string) (string, error) {
		fd, err := strconv.Atoi(w[0])
		if err != nil {
			return "", err
		}
		b := make([]byte, 1)
		_, err = io.ReadFull(os.NewFile(uintptr(fd), "signals"), b)
		return strconv.Itoa(int(b[0])), err
	},
	"terminal": func([]string) (string, error) {
		var kinds []string
		for _, f := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
			st, err := f.Stat()
			if err != nil {
				return "", err
			}
			kinds = append(kinds, strconv.FormatBool(st.Mode()&os.ModeCharDevice != 0))
		}
		return strings.Join(kinds, " "), nil
	},
	"sleep": func(w []string) (string, error) {
		d, err := time.ParseDuration(w[0])
		time.Sleep(d)
		return "slept", err
	},
	"exit": func(w []string) (string, error) {
		n, _ := strconv.Atoi(w[0])
		os.Exit(n)
		return "", nil
	},
	"panic": func([]string) (string, error) { panic("as told") },
	"alloc": func(w []string) (string, error) {
		n, err := strconv.Atoi(w[0])
		b := make([]byte, n<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		return "ok", err
	},
}
