package relay

import (
	"io"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"netbox/netemu/quick"
)

const (
	// bulkSize is the buffer of a flow that has much to carry, in bytes. CPU
	// seconds for 2 GiB from the sandbox's stack through nat to a process on
	// the host (package nat's BenchmarkBulkUp, BenchmarkBulkDown): 32 KiB 1.57
	// and 2.08, 64 KiB 1.45 and 1.68, 128 KiB 1.33 and 1.67, 256 KiB 1.34 and
	// 1.52, 512 KiB 1.21 and 1.37. Twice the memory for the last tenth is not
	// worth it.
	bulkSize = 256 << 10
	// idleSize is all that a waiting flow holds for its outward direction, so
	// that thousands of idle flows cost little. It takes a usual request.
	idleSize = 4 << 10
	// endSize is what a flow that is offered begins with: if it is taken nothing comes
	// but its end.
	endSize = 16
)

var (
	bulkBuffers = sync.Pool{New: func() any { b := make([]byte, bulkSize); return &b }}
	idleBuffers = sync.Pool{New: func() any { b := make([]byte, idleSize); return &b }}
)

// boxReader reads from a connection that wants the buffer before it waits: a
// small one until a read fills it, then a big one until little comes.
type boxReader struct {
	box  io.Reader
	buf  *[]byte
	last int // bytes of the latest read
}

func newBoxReader(box io.Reader, offered bool) *boxReader {
	if offered {
		b := make([]byte, endSize)
		return &boxReader{box: box, buf: &b}
	}
	return &boxReader{box: box, buf: idleBuffers.Get().(*[]byte)}
}

// read returns what came, valid until the next call.
func (r *boxReader) read() ([]byte, error) {
	size := len(*r.buf)
	switch {
	case size == idleSize && r.last == idleSize:
		r.release()
		r.buf = bulkBuffers.Get().(*[]byte)
	case size == bulkSize && r.last <= idleSize, size == endSize && r.last > 0:
		r.release()
		r.buf = idleBuffers.Get().(*[]byte)
	}
	n, err := r.box.Read(*r.buf)
	r.last = n
	return (*r.buf)[:n], err
}

func (r *boxReader) release() { putBuffer(r.buf) }

// putBuffer gives a buffer of a pool back.
func putBuffer(b *[]byte) {
	switch len(*b) {
	case bulkSize:
		bulkBuffers.Put(b)
	case idleSize:
		idleBuffers.Put(b)
	}
}

// hostReader reads from a kernel socket and holds a buffer only while there
// is something in it: a small one until a read fills it, then big ones until
// little comes. When thousands of flows wake at once, each holds one.
type hostReader struct {
	raw  syscall.RawConn
	try  func(fd uintptr) bool // r.readNow, bound once
	buf  *[]byte
	bulk bool // the latest read took as much as a small buffer
	n    int
	err  error
}

func newHostReader(raw syscall.RawConn) *hostReader {
	r := &hostReader{raw: raw}
	r.try = r.readNow
	return r
}

// read returns what came, valid until release, which the caller must call
// before the next read. The stream's end is io.EOF.
func (r *hostReader) read() ([]byte, error) {
	r.n, r.err = 0, nil
	err := r.raw.Read(r.try)
	if err == nil {
		err = r.err
	}
	if r.buf == nil {
		return nil, err
	}
	return (*r.buf)[:r.n], err
}

func (r *hostReader) release() {
	if r.buf != nil {
		putBuffer(r.buf)
		r.buf = nil
	}
}

// readNow reads without waiting; false means that there was nothing yet.
func (r *hostReader) readNow(fd uintptr) bool {
	pool := &idleBuffers
	if r.bulk {
		pool = &bulkBuffers
	}
	r.buf = pool.Get().(*[]byte)
	n, err := quick.Recv(int(fd), *r.buf, 0)
	switch {
	case err == unix.EAGAIN:
		r.release()
		return false
	case err != nil:
		r.err = err
	case n == 0:
		r.err = io.EOF
	default:
		r.n, r.bulk = n, n >= idleSize
	}
	return true
}
