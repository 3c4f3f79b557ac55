package keeper

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Name is the keeper's argv[0]. What follows are the program's descriptors, see
// table, and its own arguments.
const Name = "netbox-keeper"

// kind is what a message of the keeper's tells.
type kind uint32

const (
	started kind = iota // the stub's pid
	failed              // the errno of its start
	changed             // a wait status of the main process: stopped, or ended
)

// messageLen is that of a message: kind 0:4, value 4:8.
const messageLen = 8

func send(fd int, k kind, value uint32) {
	var b [messageLen]byte
	binary.NativeEndian.PutUint32(b[0:], uint32(k))
	binary.NativeEndian.PutUint32(b[4:], value)
	_ = unix.Sendto(fd, b[:], unix.MSG_NOSIGNAL, nil) // who does not read is dead
}

// receive waits for the next message; an error is the other end's death.
func receive(fd int) (kind, uint32, error) {
	for {
		var b [messageLen]byte
		n, err := unix.Read(fd, b[:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, 0, err
		case n != messageLen:
			return 0, 0, fmt.Errorf("the keeper of the box is gone")
		default:
			return kind(binary.NativeEndian.Uint32(b[0:])), binary.NativeEndian.Uint32(b[4:]), nil
		}
	}
}
