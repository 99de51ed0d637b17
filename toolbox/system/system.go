// SPDX-License-Identifier: Apache-2.0

// Package system has the commands that tell of the container and its processes, and those that run
// other commands. What they tell is read from the container's /proc and /etc; where a file is not
// there, they say so and guess nothing.
package system

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/wazelet/wazelet/toolbox/command"
)

// Commands are the commands of this package.
func Commands() map[string]command.Func {
	return map[string]command.Func{
		"id": id, "whoami": whoami, "groups": groups, "hostname": hostname, "uname": uname, "arch": arch, "nproc": nproc,
		"ps": ps, "pgrep": pgrep, "top": top, "kill": kill, "uptime": uptime, "free": free, "df": df, "mount": mount,
		"ipcs": ipcs, "tty": tty,
		"env": env, "printenv": printenv, "which": which, "xargs": xargs, "timeout": timeout, "time": timeCommand,
		"sleep": sleep, "date": date,
		"ping": command.Refuse("needs raw sockets, which WASI has not; nc -z HOST PORT tries a TCP port"),
	}
}

// maxProc bounds what is read of a file.
const maxProc = 1 << 20

// readFile reads a small file.
func readFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxProc))
	return string(content), err
}

// fields reads a file of lines "KEY: VALUE".
func fields(name string) (map[string]string, error) {
	content, err := readFile(name)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for line := range strings.SplitSeq(content, "\n") {
		if key, value, ok := strings.Cut(line, ":"); ok {
			all[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return all, nil
}

// identity is who the container runs as.
type identity struct {
	uid, gid, euid, egid string
	groups               []string
}

// statusFile is where the container's identity stands.
const statusFile = "/proc/self/status"

func readIdentity() (identity, error) {
	status, err := fields(statusFile)
	if err != nil {
		return identity{}, fmt.Errorf("%s: %s: who this container runs as is not known here", statusFile, command.Reason(err))
	}
	// Real, effective, saved, and of the file system.
	uids, gids := strings.Fields(status["Uid"]), strings.Fields(status["Gid"])
	if len(uids) < 2 || len(gids) < 2 {
		return identity{}, fmt.Errorf("%s: it has no Uid and Gid", statusFile)
	}
	return identity{uids[0], gids[0], uids[1], gids[1], strings.Fields(status["Groups"])}, nil
}

// nameOf looks a number up in /etc/passwd or /etc/group: name, password, number, …; empty where it
// has no name.
func nameOf(file, number string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(io.LimitReader(f, maxProc)); lines.Scan(); {
		if parts := strings.Split(lines.Text(), ":"); len(parts) > 2 && parts[2] == number {
			return parts[0]
		}
	}
	return ""
}

func named(number, file string) string {
	if name := nameOf(file, number); name != "" {
		return number + "(" + name + ")"
	}
	return number
}

const (
	passwdFile = "/etc/passwd"
	groupFile  = "/etc/group"
)

// all are the groups, the primary first, each once.
func (i identity) all() []string {
	all := []string{i.egid}
	for _, group := range i.groups {
		if group != i.egid {
			all = append(all, group)
		}
	}
	return all
}

// id tells who the container runs as: -u, -g, -G one thing, -n by name.
func id(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("u|user g|group G|groups n|name r|real")
	if err == nil && len(names) > 0 {
		err = errors.New("only of the container itself")
	}
	if err != nil {
		return c.Usage(err)
	}
	i, err := readIdentity()
	if err != nil {
		return c.Errorf("%v", err)
	}
	show := func(numbers []string, file string) int {
		for k, number := range numbers {
			if name := nameOf(file, number); o.Has("n") && name != "" {
				numbers[k] = name
			}
		}
		return c.Write(strings.Join(numbers, " ") + "\n")
	}
	if o.Has("r") {
		i.euid, i.egid = i.uid, i.gid
	}
	switch {
	case o.Has("u"):
		return show([]string{i.euid}, passwdFile)
	case o.Has("g"):
		return show([]string{i.egid}, groupFile)
	case o.Has("G"):
		return show(i.all(), groupFile)
	}
	var list []string
	for _, group := range i.all() {
		list = append(list, named(group, groupFile))
	}
	c.Printf("uid=%s gid=%s groups=%s\n", named(i.euid, passwdFile), named(i.egid, groupFile), strings.Join(list, ","))
	return 0
}

func whoami(_ context.Context, c *command.Call) int {
	i, err := readIdentity()
	if err != nil {
		return c.Errorf("%v", err)
	}
	name := nameOf(passwdFile, i.euid)
	if name == "" {
		return c.Errorf("the user %s has no name in %s", i.euid, passwdFile)
	}
	return c.Write(name + "\n")
}

func groups(ctx context.Context, c *command.Call) int {
	call := *c
	call.Args = []string{"-Gn"}
	return id(ctx, &call)
}

// host is the container's name.
func host(c *command.Call) (string, error) {
	for _, file := range []string{"/etc/hostname", "/proc/sys/kernel/hostname"} {
		if content, err := readFile(file); err == nil && strings.TrimSpace(content) != "" {
			return strings.TrimSpace(content), nil
		}
	}
	if name := c.Getenv("HOSTNAME"); name != "" {
		return name, nil
	}
	return "", errors.New("neither /etc/hostname nor HOSTNAME tells it")
}

func hostname(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("s f d i I")
	if err == nil && len(names) > 0 {
		err = errors.New("a container's name cannot be changed from within")
	}
	if err == nil && (o.Has("d") || o.Has("i") || o.Has("I")) {
		err = errors.New("only the name is known; addresses are in /etc/hosts")
	}
	if err != nil {
		return c.Usage(err)
	}
	name, err := host(c)
	if err != nil {
		return c.Errorf("%v", err)
	}
	if o.Has("s") {
		name, _, _ = strings.Cut(name, ".")
	}
	return c.Write(name + "\n")
}

// What uname tells: of the system a program runs on here.
const (
	systemName    = "Wazelet"
	systemRelease = "wasip1"
	machineName   = "wasm32"
)

func uname(_ context.Context, c *command.Call) int {
	o, _, err := c.Options("a|all s n r v m o p i")
	if err != nil {
		return c.Usage(err)
	}
	name, err := host(c)
	if err != nil {
		name = "unknown"
	}
	if len(o) == 0 {
		o = command.Options{"s": {""}}
	}
	var words []string
	for _, part := range []struct{ letter, text string }{
		{"s", systemName}, {"n", name}, {"r", systemRelease}, {"v", "WASI preview 1"}, {"m", machineName}, {"o", "WASI"},
	} {
		if o.Has("a") || o.Has(part.letter) {
			words = append(words, part.text)
		}
	}
	if !o.Has("a") && (o.Has("p") || o.Has("i")) {
		words = append(words, machineName)
	}
	return c.Write(strings.Join(words, " ") + "\n")
}

func arch(_ context.Context, c *command.Call) int { return c.Write(machineName + "\n") }

// nproc is what a program can use: WASI has no threads.
func nproc(_ context.Context, c *command.Call) int { return c.Write("1\n") }

func tty(_ context.Context, c *command.Call) int {
	if !command.IsTerminal(c.Stdin) {
		c.Printf("not a tty\n")
		return 1
	}
	return c.Write("/dev/tty\n")
}

// ipcs has nothing to list: WASI has no System V objects, and so has no container of this kind.
func ipcs(_ context.Context, c *command.Call) int {
	return c.Write("no message queues, semaphores or shared memory segments: WASI has none\n")
}

func uptime(_ context.Context, c *command.Call) int {
	content, err := readFile("/proc/uptime")
	if err != nil {
		return c.Errorf("/proc/uptime: %s: it is not known here", command.Reason(err))
	}
	seconds, _, _ := strings.Cut(strings.TrimSpace(content), " ")
	up, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		return c.Errorf("/proc/uptime: not a number")
	}
	minutes := int(up) / 60
	return c.Write(fmt.Sprintf("up %d days, %02d:%02d\n", minutes/1440, minutes/60%24, minutes%60))
}

// free shows memory, from /proc/meminfo or the limit that the container's cgroup shows.
func free(_ context.Context, c *command.Call) int {
	o, _, err := c.Options("b k m g h")
	if err != nil {
		return c.Usage(err)
	}
	info, err := fields("/proc/meminfo")
	if err != nil {
		return c.Errorf("/proc/meminfo: %s: it is not known here", command.Reason(err))
	}
	divisor := int64(1)
	if o.Has("m") {
		divisor = 1 << 10
	} else if o.Has("g") {
		divisor = 1 << 20
	}
	get := func(key string) int64 {
		n, _ := strconv.ParseInt(strings.TrimSuffix(info[key], " kB"), 10, 64) // what is not there is 0
		if o.Has("b") {
			return n << 10
		}
		return n / divisor
	}
	total, available := get("MemTotal"), get("MemAvailable")
	c.Printf("%16s%12s%12s%12s%12s\nMem: %11d%12d%12d%12d%12d\nSwap:%11d%12d%12d\n",
		"total", "used", "free", "buff/cache", "available",
		total, total-available, get("MemFree"), get("Buffers")+get("Cached"), available,
		get("SwapTotal"), get("SwapTotal")-get("SwapFree"), get("SwapFree"))
	return 0
}

// mounts are the lines of /proc/mounts: device, place, type, options.
func mounts() ([][]string, error) {
	content, err := readFile("/proc/mounts")
	if err != nil {
		return nil, fmt.Errorf("/proc/mounts: %s: mounts are not known here", command.Reason(err))
	}
	var all [][]string
	for line := range strings.SplitSeq(content, "\n") {
		if parts := strings.Fields(line); len(parts) >= 4 {
			all = append(all, parts)
		}
	}
	return all, nil
}

func mount(_ context.Context, c *command.Call) int {
	if len(c.Args) > 0 {
		return c.Errorf("nothing can be mounted from within a container; volumes are in the pod's specification")
	}
	all, err := mounts()
	if err != nil {
		return c.Errorf("%v", err)
	}
	for _, m := range all {
		c.Printf("%s on %s type %s (%s)\n", m[0], m[1], m[2], m[3])
	}
	return 0
}

// df lists the file systems. How full they are WASI does not tell.
func df(_ context.Context, c *command.Call) int {
	if _, _, err := c.Options("h k m T i a P H"); err != nil {
		return c.Usage(err)
	}
	all, err := mounts()
	if err != nil {
		return c.Errorf("%v", err)
	}
	c.Printf("%-24s %10s %10s %10s %4s %s\n", "Filesystem", "1K-blocks", "Used", "Available", "Use%", "Mounted on")
	for _, m := range all {
		c.Printf("%-24s %10s %10s %10s %4s %s\n", m[0], "-", "-", "-", "-", m[1])
	}
	return 0
}
