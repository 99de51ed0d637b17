// SPDX-License-Identifier: Apache-2.0

// Command probe shows a test what a guest sees and does one thing that a guest may
// do. Its first argument says what; see commands.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// commands maps a command's name to what it does with its arguments.
var commands = map[string]func(args []string) error{
	"args":     args,     // each argument, quoted, on a line
	"env":      env,      // the values of the named variables, or all of them
	"pwd":      pwd,      // the working directory
	"cat":      cat,      // the content of files
	"ls":       ls,       // mode, size and name of a folder's entries
	"stat":     stat,     // mode and size of files, not following links
	"readlink": readlink, // the target of links
	"write":    write,    // FILE TEXT: create or truncate
	"append":   appendTo, // FILE TEXT
	"mkdir":    mkdir,    // folders
	"rm":       rm,       // files and empty folders
	"mv":       mv,       // OLD NEW
	"symlink":  symlink,  // TARGET LINK
	"out":      out,      // each argument as a line on stdout
	"err":      errOut,   // each argument as a line on stderr
	"flood":    flood,    // LINES WIDTH: that many numbered lines
	"raw":      raw,      // TEXT: without a newline at the end
	"echo":     echo,     // each line of stdin, and "end" at its end
	"sleep":    sleep,    // DURATION, such as 1.5s
	"pause":    pause,    // for ever
	"tick":     tick,     // DURATION: a numbered line after each
	"exit":     exit,     // CODE
	"panic":    panicNow, // TEXT
	"nil":      nilDeref, // dereference nothing
	"alloc":    alloc,    // MEBIBYTES: take and touch memory, then print its size
	"spin":     spin,     // for ever
}

// then: CMD ARG.. -- CMD ARG..: one after the other. It is added here because it
// needs the commands itself.
func init() { commands["then"] = then }

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(words []string) error {
	if len(words) == 0 {
		return errors.New("no command")
	}
	command, ok := commands[words[0]]
	if !ok {
		return fmt.Errorf("unknown command %s", words[0])
	}
	return command(words[1:])
}

// then runs commands that are separated by --, until one fails.
func then(words []string) error {
	for _, command := range strings.Split(strings.Join(words, "\x00"), "\x00--\x00") {
		if err := run(strings.Split(command, "\x00")); err != nil {
			return err
		}
	}
	return nil
}

func args(words []string) error {
	for _, word := range words {
		fmt.Printf("%q\n", word)
	}
	return nil
}

func env(names []string) error {
	if len(names) == 0 {
		return out(os.Environ())
	}
	for _, name := range names {
		value, ok := os.LookupEnv(name)
		if !ok {
			return fmt.Errorf("%s is not set", name)
		}
		fmt.Println(value)
	}
	return nil
}

func pwd([]string) error {
	dir, err := os.Getwd()
	fmt.Println(dir)
	return err
}

func exit(words []string) error {
	code, err := number(words, 0)
	if err == nil {
		os.Exit(code)
	}
	return err
}

func panicNow(words []string) error { panic(strings.Join(words, " ")) }

func nilDeref([]string) error {
	var p *struct{ next *int }
	fmt.Println(*p.next) //nolint:govet // the fault is what it is for
	return nil
}

func echo([]string) error {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println("heard", lines.Text())
	}
	fmt.Println("end")
	return lines.Err()
}

func sleep(words []string) error {
	if len(words) == 0 {
		return errors.New("no duration")
	}
	d, err := time.ParseDuration(words[0])
	time.Sleep(d)
	return err
}

func pause([]string) error {
	for {
		time.Sleep(time.Hour)
	}
}

func tick(words []string) error {
	for n := 1; ; n++ {
		if err := sleep(words); err != nil {
			return err
		}
		fmt.Println("tick", n)
	}
}

// sink keeps the compiler from leaving out the loop of spin and the memory of alloc.
var sink []byte

func spin([]string) error {
	sink = []byte{0}
	for {
		sink[0]++
	}
}

func alloc(words []string) error {
	n, err := number(words, 0)
	if err != nil {
		return err
	}
	sink = make([]byte, n<<20)
	for i := 0; i < len(sink); i += 4096 {
		sink[i] = 1
	}
	fmt.Println(len(sink))
	return nil
}

func number(words []string, i int) (int, error) {
	if i >= len(words) {
		return 0, fmt.Errorf("argument %d is missing", i+1)
	}
	return strconv.Atoi(words[i])
}
