package nat

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// pumpInward carries host to box, with the errors of what was sent, and ends the
// flow when it is idle.
func (f *udpFlow) pumpInward() {
	defer f.close()
	r := udpReader{f: f}
	try := r.readNow
	for {
		err := f.raw.Read(try)
		if err == nil {
			err = r.err
		}
		switch {
		case err == nil:
			f.touch()
			f.deliver((*r.buf)[:r.n], r.message.way())
		case errors.Is(err, os.ErrDeadlineExceeded):
			if f.age() >= f.idle {
				f.nat.count.udpExpired.Add(1)
				return
			}
			f.host.SetReadDeadline(time.Now().Add(f.idle - f.age()))
		default:
			return
		}
		r.release()
	}
}

// deliver hands a datagram in, with the TTL and TOS that it came with.
func (f *udpFlow) deliver(p []byte, w stack.Way) {
	if err := f.nat.gateway.SendDatagram(f.dst, f.src, w, p); err != nil {
		f.nat.count.udpDropped.Add(1)
		return
	}
	f.nat.count.bytesIn.Add(uint64(len(p)))
}

// udpReader reads from a kernel socket, and holds a buffer only while there is
// a datagram in it.
type udpReader struct {
	f       *udpFlow
	message message
	buf     *[]byte
	n       int
	err     error
}

func (r *udpReader) release() {
	if r.buf != nil {
		datagrams.Put(r.buf)
		r.buf = nil
	}
}

// readNow is for RawConn.Read; false means that there was nothing yet. An errno
// says what became of an earlier datagram, and the queue tells more of it; the
// socket stays good.
func (r *udpReader) readNow(fd uintptr) bool {
	r.buf = datagrams.Get().(*[]byte)
	for {
		n, errno := r.message.receive(fd, *r.buf, 0)
		switch errno {
		case 0:
			r.n, r.err = n, nil
			return true
		case unix.EBADF, unix.EINVAL, unix.ENOTCONN:
			r.release()
			r.err = errno
			return true
		}
		r.f.takeErrors(fd)
		if errno == unix.EAGAIN {
			r.release()
			return false
		}
	}
}
