// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// rights returns the control message that carries the files.
func rights(files []*os.File) ([]byte, error) {
	if len(files) == 0 {
		return nil, nil
	}
	if len(files) > MaxFiles {
		return nil, fmt.Errorf("%d descriptors in a frame: at most %d", len(files), MaxFiles)
	}
	fds := make([]int, len(files))
	for i, f := range files {
		// Not Fd: it would turn the file blocking, and a listener's accept
		// with it.
		raw, err := f.SyscallConn()
		if err != nil {
			return nil, fmt.Errorf("descriptor of %s: %w", f.Name(), err)
		}
		if err := raw.Control(func(fd uintptr) { fds[i] = int(fd) }); err != nil {
			return nil, fmt.Errorf("descriptor of %s: %w", f.Name(), err)
		}
	}
	return unix.UnixRights(fds...), nil
}

// receiveHeader reads the four bytes of the length and the descriptors that
// came with them. The files are valid even beside an error.
func receiveHeader(conn *net.UnixConn) (size int64, files []*os.File, err error) {
	var header [headerLen]byte
	oob := make([]byte, unix.CmsgSpace(MaxFiles*4))
	for n := 0; n < headerLen; {
		m, oobn, flags, _, err := conn.ReadMsgUnix(header[n:], oob)
		got, parseErr := parseRights(oob[:oobn])
		files = append(files, got...)
		switch {
		// A stream's end is an empty read; ReadMsgUnix may or may not call it EOF.
		case (err == nil && m == 0) || errors.Is(err, io.EOF):
			if n == 0 {
				return 0, files, io.EOF
			}
			return 0, files, io.ErrUnexpectedEOF
		case err != nil:
			return 0, files, err
		case parseErr != nil:
			return 0, files, parseErr
		case flags&unix.MSG_CTRUNC != 0 || len(files) > MaxFiles:
			return 0, files, fmt.Errorf("more than %d descriptors in a frame", MaxFiles)
		}
		n += m
	}
	size = int64(binary.BigEndian.Uint32(header[:]))
	if size > MaxFrame {
		return 0, files, ErrTooLarge
	}
	return size, files, nil
}

func parseRights(oob []byte) ([]*os.File, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("control message: %w", err)
	}
	var files []*os.File
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue // another kind, such as credentials: it holds no descriptor
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
