// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
)

// each calls f for every word until one fails.
func each(words []string, f func(string) error) error {
	for _, word := range words {
		if err := f(word); err != nil {
			return err
		}
	}
	return nil
}

// two calls f with exactly two words.
func two(words []string, f func(a, b string) error) error {
	if len(words) != 2 {
		return fmt.Errorf("%d arguments, want 2", len(words))
	}
	return f(words[0], words[1])
}

func cat(names []string) error {
	return each(names, func(name string) error {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(content)
		return err
	})
}

func ls(names []string) error {
	return each(names, func(name string) error {
		entries, err := os.ReadDir(name)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			info, err := entry.Info()
			if err != nil {
				return err
			}
			fmt.Println(info.Mode(), info.Size(), entry.Name())
		}
		return nil
	})
}

func stat(names []string) error {
	return each(names, func(name string) error {
		info, err := os.Lstat(name)
		if err == nil {
			fmt.Println(info.Mode(), info.Size(), name)
		}
		return err
	})
}

func readlink(names []string) error {
	return each(names, func(name string) error {
		target, err := os.Readlink(name)
		if err == nil {
			fmt.Println(target)
		}
		return err
	})
}

func write(words []string) error {
	return two(words, func(file, text string) error { return os.WriteFile(file, []byte(text), 0o644) })
}

func appendTo(words []string) error {
	return two(words, func(file, text string) error {
		f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		_, err = f.WriteString(text)
		return errors.Join(err, f.Close())
	})
}

func mkdir(names []string) error {
	return each(names, func(name string) error { return os.Mkdir(name, 0o755) })
}

func rm(names []string) error { return each(names, os.Remove) }

func mv(words []string) error { return two(words, os.Rename) }

func symlink(words []string) error { return two(words, os.Symlink) }

func out(lines []string) error {
	return each(lines, func(line string) error {
		_, err := fmt.Println(line)
		return err
	})
}

func errOut(lines []string) error {
	return each(lines, func(line string) error {
		_, err := fmt.Fprintln(os.Stderr, line)
		return err
	})
}

func raw(words []string) error {
	_, err := fmt.Print(strings.Join(words, " "))
	return err
}

func flood(words []string) error {
	lines, err := number(words, 0)
	if err != nil {
		return err
	}
	width, err := number(words, 1)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(os.Stdout, 32<<10)
	for i := range lines {
		fmt.Fprintf(w, "%08d %s\n", i, strings.Repeat("x", max(0, width-9)))
	}
	return w.Flush()
}
