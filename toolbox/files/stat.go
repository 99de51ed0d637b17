// SPDX-License-Identifier: Apache-2.0

package files

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/wazelet/wazelet/toolbox/command"
)

// kindOf is the letter of a file's kind, as ls -l shows it.
func kindOf(info fs.FileInfo) string {
	mode := info.Mode()
	switch {
	case mode.IsDir():
		return "d"
	case mode&fs.ModeSymlink != 0:
		return "l"
	case mode&fs.ModeCharDevice != 0:
		return "c"
	case mode&fs.ModeDevice != 0:
		return "b"
	case mode&fs.ModeNamedPipe != 0:
		return "p"
	case mode&fs.ModeSocket != 0:
		return "s"
	}
	return "-"
}

// kinds are the kinds in words.
var kinds = map[string]string{
	"d": "directory", "l": "symbolic link", "c": "character special file", "b": "block special file",
	"p": "fifo", "s": "socket", "-": "regular file",
}

// stat shows what is known of files; -c in a form: %n %s %F %Y %y %i %h %N.
func stat(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("c:|format L f t")
	if err = operands(names, err); err != nil {
		return c.Usage(err)
	}
	code := 0
	for _, name := range names {
		look := os.Lstat
		if o.Has("L") {
			look = os.Stat
		}
		info, err := look(c.Path(name))
		if err != nil {
			code = c.Problem(name, err)
			continue
		}
		if !o.Has("c") {
			c.Printf("  File: %s\n  Size: %-10d %s\n Inode: %-10d Links: %d\nModify: %s\n", name, info.Size(),
				kinds[kindOf(info)], inodeOf(info), linksOf(info), info.ModTime().Format("2006-01-02 15:04:05.000000000 -0700"))
			continue
		}
		text, err := formatStat(o.Value("c", ""), name, info)
		if err != nil {
			return c.Usage(err)
		}
		c.Printf("%s\n", text)
	}
	return code
}

func formatStat(format, name string, info fs.FileInfo) (string, error) {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		switch format[i] {
		case '%':
			b.WriteByte('%')
		case 'n', 'N':
			b.WriteString(name)
		case 's':
			fmt.Fprint(&b, info.Size())
		case 'F':
			b.WriteString(kinds[kindOf(info)])
		case 'Y':
			fmt.Fprint(&b, info.ModTime().Unix())
		case 'y':
			b.WriteString(info.ModTime().Format("2006-01-02 15:04:05.000000000 -0700"))
		case 'i':
			fmt.Fprint(&b, inodeOf(info))
		case 'h':
			fmt.Fprint(&b, linksOf(info))
		default:
			return "", fmt.Errorf("%%%c: WASI does not tell it", format[i])
		}
	}
	return b.String(), nil
}
