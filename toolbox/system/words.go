// SPDX-License-Identifier: Apache-2.0

package system

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// words are what xargs reads: apart by blanks, with quotes and backslashes.
type words struct {
	done  []string
	word  strings.Builder
	some  bool // of the word that is being read, were it only quotes
	quote byte
}

func (w *words) end() {
	if w.some {
		w.done = append(w.done, w.word.String())
	}
	w.word.Reset()
	w.some = false
}

func (w *words) put(b byte) {
	w.word.WriteByte(b)
	w.some = true
}

func quotedWords(in *bufio.Reader) ([]string, error) {
	var w words
	for {
		b, err := in.ReadByte()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch {
		case w.quote != 0 && b == w.quote:
			w.quote = 0
		case w.quote != 0:
			w.put(b)
		case b == '\'' || b == '"':
			w.quote, w.some = b, true
		case b == '\\':
			if b, err = in.ReadByte(); err == nil {
				w.put(b)
			}
		case b == ' ' || b == '\t' || b == '\n':
			w.end()
		default:
			w.put(b)
		}
	}
	if w.quote != 0 {
		return nil, fmt.Errorf("unmatched %c", w.quote)
	}
	w.end()
	return w.done, nil
}
