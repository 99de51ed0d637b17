// SPDX-License-Identifier: Apache-2.0

// Package condition evaluates the conditions of test, of [ and of [[.
package condition

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/wazelet/wazelet/toolbox/command"
)

// Evaluator tells how files and descriptors are found.
type Evaluator struct {
	Path    func(string) string
	Streams [3]any
}

// unary are the operators before one operand.
const unary = "-b -c -d -e -f -g -h -k -L -n -p -r -s -S -t -u -w -x -z -O -G"

// binary are those between two.
const binary = "= == != < > -eq -ne -lt -le -gt -ge -nt -ot -ef"

func isOneOf(word, list string) bool { return slices.Contains(strings.Fields(list), word) }

// Unary evaluates an operator with one operand.
func (e Evaluator) Unary(op, x string) (bool, error) {
	switch op {
	case "-n":
		return x != "", nil
	case "-z":
		return x == "", nil
	case "-t":
		fd, err := strconv.Atoi(x)
		if err != nil {
			return false, fmt.Errorf("%s: a number is needed", x)
		}
		return fd >= 0 && fd < len(e.Streams) && command.IsTerminal(e.Streams[fd]), nil
	case "-h", "-L":
		info, err := os.Lstat(e.Path(x))
		return err == nil && info.Mode()&fs.ModeSymlink != 0, nil
	case "-r":
		f, err := os.Open(e.Path(x))
		return err == nil && f.Close() == nil, nil
	case "-w":
		return e.writable(x), nil
	}
	info, err := os.Stat(e.Path(x))
	if err != nil {
		return false, nil // what is not there has no property
	}
	return ofFile(op, info)
}

func ofFile(op string, info fs.FileInfo) (bool, error) {
	mode := info.Mode()
	switch op {
	case "-e", "-x", "-O", "-G": // WASI tells neither permissions nor owners
		return true, nil
	case "-f":
		return mode.IsRegular(), nil
	case "-d":
		return mode.IsDir(), nil
	case "-s":
		return info.Size() > 0, nil
	case "-c":
		return mode&fs.ModeCharDevice != 0, nil
	case "-b":
		return mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0, nil
	case "-p":
		return mode&fs.ModeNamedPipe != 0, nil
	case "-S":
		return mode&fs.ModeSocket != 0, nil
	case "-g", "-k", "-u":
		return false, nil
	}
	return false, fmt.Errorf("%s: unknown operator", op)
}

// writable tries: WASI has no access call. A directory is asked by making a file in it.
func (e Evaluator) writable(x string) bool {
	file := e.Path(x)
	info, err := os.Stat(file)
	if err != nil {
		return false
	}
	if info.IsDir() {
		f, err := os.CreateTemp(file, ".test")
		return err == nil && errors.Join(f.Close(), os.Remove(f.Name())) == nil
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	return err == nil && f.Close() == nil
}

// Binary evaluates an operator between two operands.
func (e Evaluator) Binary(x, op, y string) (bool, error) {
	switch op {
	case "=", "==":
		return x == y, nil
	case "!=":
		return x != y, nil
	case "<":
		return x < y, nil
	case ">":
		return x > y, nil
	case "-nt", "-ot", "-ef":
		return e.files(x, op, y), nil
	}
	return numbers(x, op, y)
}

func numbers(x, op, y string) (bool, error) {
	a, err := integer(x)
	if err != nil {
		return false, err
	}
	b, err := integer(y)
	if err != nil {
		return false, err
	}
	switch op {
	case "-eq":
		return a == b, nil
	case "-ne":
		return a != b, nil
	case "-lt":
		return a < b, nil
	case "-le":
		return a <= b, nil
	case "-gt":
		return a > b, nil
	case "-ge":
		return a >= b, nil
	}
	return false, fmt.Errorf("%s: unknown operator", op)
}

func integer(x string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(x), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: a number is needed", x)
	}
	return n, nil
}

func (e Evaluator) files(x, op, y string) bool {
	a, errA := os.Stat(e.Path(x))
	b, errB := os.Stat(e.Path(y))
	switch op {
	case "-ef":
		return errA == nil && errB == nil && os.SameFile(a, b)
	case "-ot":
		a, b, errA, errB = b, a, errB, errA
	}
	return errA == nil && (errB != nil || a.ModTime().After(b.ModTime()))
}
