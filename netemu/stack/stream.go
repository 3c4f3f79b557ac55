package stack

import (
	"bytes"
	"io"
	"sync"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
)

// ReadStream writes received bytes to w until there are no more or w stops;
// what w did not take stays queued. w is called with the endpoint locked, once
// for each of netstack's views: it must not block nor call back.
//
// (0, 0) is the end of the stream, EAGAIN says that nothing has come, EFAULT
// that w took nothing; else ECONNRESET and such.
func (e *Endpoint) ReadStream(w io.Writer) (int, unix.Errno) {
	if e.kind != kindTCP {
		return 0, unix.EOPNOTSUPP
	}
	res, err := e.ep.Read(w, tcpip.ReadOptions{})
	if err != nil {
		return 0, e.told(errno(err))
	}
	e.ep.ModerateRecvBuf(res.Count)
	return res.Count, 0
}

// readers holds the bytes.Readers that WriteStream shows p through.
var readers = sync.Pool{New: func() any { return new(bytes.Reader) }}

// WriteStream queues bytes to send and returns how many: p is copied once, into
// the segments. EAGAIN when the send buffer is full, EPIPE after shutdown.
func (e *Endpoint) WriteStream(p []byte) (int, unix.Errno) {
	if e.kind != kindTCP {
		return 0, unix.EOPNOTSUPP
	}
	r := readers.Get().(*bytes.Reader)
	r.Reset(p)
	n, err := e.ep.Write(r, tcpip.WriteOptions{})
	r.Reset(nil)
	readers.Put(r)
	return int(n), e.told(errno(err))
}
