// SPDX-License-Identifier: Apache-2.0

// Package wire sends and receives the frames of a worker's sockets: a length
// of four bytes, big-endian, then a JSON envelope with the message's type and
// body. File descriptors travel with the length (unix(7), SCM_RIGHTS).
//
// A frame is bounded by [MaxFrame], its descriptors by [MaxFiles]. A peer that
// breaks the framing gets an error and cannot make the reader allocate more
// than it sent, nor leak a descriptor.
package wire

//go:generate go tool easyjson -no_std_marshalers -output_filename wire_easyjson.go wire.go
//go:generate sed -i "/easyjson\"$/d;/easyjson[.]Marshaler$/d" wire_easyjson.go

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"

	"github.com/mailru/easyjson/jlexer"
	"github.com/mailru/easyjson/jwriter"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// MaxFrame is the largest envelope, in bytes. A pod's environment and mounts
// come nowhere near it.
const MaxFrame = 16 << 20

// MaxFiles is how many descriptors one frame may carry.
const MaxFiles = 8

const headerLen = 4

// ErrTooLarge says that a frame exceeds MaxFrame.
var ErrTooLarge = errors.New("frame exceeds 16 MiB")

// envelope names the message, so that a Failure can stand in for any other.
//
//easyjson:json
type envelope struct {
	Type string          `json:"type"`
	Body json.RawMessage `json:"body"`
}

// Send writes msg, a struct or a pointer to one, and the descriptors as one
// frame. The descriptors stay open; the peer gets duplicates.
func Send(conn *net.UnixConn, msg any, files ...*os.File) error {
	frame, err := encode(msg)
	if err != nil {
		return err
	}
	oob, err := rights(files)
	if err != nil {
		return err
	}
	// The descriptors ride on the header alone: sendmsg never splits four
	// bytes, while a large body may need several writes.
	if _, _, err := conn.WriteMsgUnix(frame[:headerLen], oob, nil); err != nil {
		return fmt.Errorf("send %s: %w", typeName(msg), err)
	}
	if _, err := conn.Write(frame[headerLen:]); err != nil {
		return fmt.Errorf("send %s: %w", typeName(msg), err)
	}
	return nil
}

// Receive reads one frame into msg, a pointer to a struct, and returns the
// descriptors that came with it; the caller closes them. A *spec.Failure sent
// in msg's place is returned as the error. At the end of the stream, between
// frames, the error is io.EOF. After any other error the stream is unusable.
func Receive(conn *net.UnixConn, msg any) (files []*os.File, err error) {
	defer func() {
		if err != nil {
			closeAll(files)
			files = nil
		}
	}()
	size, files, err := receiveHeader(conn)
	if err != nil {
		return files, err
	}
	body, err := readBody(conn, size)
	if err != nil {
		return files, fmt.Errorf("receive %s: %w", typeName(msg), err)
	}
	return files, decode(body, msg)
}

func encode(msg any) ([]byte, error) {
	body, err := marshal(msg)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", typeName(msg), err)
	}
	frame := make([]byte, headerLen, headerLen+len(body)+64)
	frame = append(frame, `{"type":"`+typeName(msg)+`","body":`...)
	frame = append(append(frame, body...), '}')
	if len(frame)-headerLen > MaxFrame {
		return nil, fmt.Errorf("send %s: %w", typeName(msg), ErrTooLarge)
	}
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-headerLen))
	return frame, nil
}

// readBody reads size bytes, growing as they arrive, so that a header alone
// cannot make it allocate 16 MiB.
func readBody(r io.Reader, size int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, size))
	if err == nil && int64(len(body)) < size {
		err = io.ErrUnexpectedEOF
	}
	return body, err
}

func decode(body []byte, msg any) error {
	var env envelope
	if err := unmarshal(body, &env); err != nil {
		return fmt.Errorf("receive %s: %w", typeName(msg), err)
	}
	want := typeName(msg)
	if env.Type == "Failure" && want != "Failure" {
		var failure spec.Failure
		if err := unmarshal(env.Body, &failure); err != nil {
			return fmt.Errorf("receive Failure: %w", err)
		}
		return &failure
	}
	if env.Type != want {
		return fmt.Errorf("receive %s: the peer sent %.64q", want, env.Type)
	}
	if err := unmarshal(env.Body, msg); err != nil {
		return fmt.Errorf("receive %s: %w", want, err)
	}
	return nil
}

// Messages bring generated code that takes no look at their types, which in a process
// that reads one message takes longer than the message. The package easyjson itself, which
// has the same interfaces, would link an HTTP server in.
type (
	marshaler   interface{ MarshalEasyJSON(w *jwriter.Writer) }
	unmarshaler interface{ UnmarshalEasyJSON(l *jlexer.Lexer) }
)

func marshal(msg any) ([]byte, error) {
	m, ok := msg.(marshaler)
	if !ok {
		return json.Marshal(msg)
	}
	var w jwriter.Writer
	m.MarshalEasyJSON(&w)
	return w.BuildBytes()
}

func unmarshal(data []byte, msg any) error {
	m, ok := msg.(unmarshaler)
	if !ok {
		return json.Unmarshal(data, msg)
	}
	l := jlexer.Lexer{Data: data}
	m.UnmarshalEasyJSON(&l)
	return l.Error()
}

func typeName(msg any) string {
	t := reflect.TypeOf(msg)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}
