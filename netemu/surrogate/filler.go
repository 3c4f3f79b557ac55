package surrogate

import (
	"sync"

	"golang.org/x/sys/unix"

	"netbox/netemu/quick"
)

const (
	// fillerChunk is one write of filler: an AF_UNIX stream skb carries at most
	// 32 KiB beyond its head (UNIX_SKB_FRAGS_SZ, net/unix/af_unix.c).
	fillerChunk = 32 << 10
	// maxFillerChunks bounds the filling; unix_writable() wants a quarter of
	// the send buffer used, which two chunks do at the default
	// net.core.wmem_default (212992) and 64 at any up to 8 MiB.
	maxFillerChunks = 64
)

// filler is what is sent. junk is for reading it away: on the stack it would make
// that of a goroutine which lives as long as its connection 64 KiB.
var (
	filler [fillerChunk]byte
	junk   = sync.Pool{New: func() any { return new([fillerChunk]byte) }}
)

// leaveGhost sends the ghost of a surrogate that is open from the start.
func leaveGhost(t int) (int, error) {
	return unix.SendmsgN(t, []byte{0}, nil, nil, unix.MSG_DONTWAIT)
}

// fill sends filler from t until it polls not writable.
func fill(t int) (int, error) {
	sent := 0
	for range maxFillerChunks {
		n, err := unix.SendmsgN(t, filler[:], nil, nil, unix.MSG_DONTWAIT)
		sent += n
		if err != nil {
			return sent, err
		}
		if quick.Poll(t, unix.POLLOUT) == 0 {
			return sent, nil
		}
	}
	return sent, unix.ENOBUFS
}

// Open reads the filler away but for one byte: T becomes writable, with an
// edge. Bytes that T sends from now on are returned by Next.
func (s *Stream) Open() {
	s.control(func(fd int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ghost -= drop(fd, s.ghost-1)
		s.charged = fillerChunk
		s.opened = true
	})
	s.lookAgain()
}

// drop reads n bytes of fd's queue away, and returns how many there were.
func drop(fd, n int) int {
	p := junk.Get().(*[fillerChunk]byte)
	defer junk.Put(p)
	dropped := 0
	for dropped < n {
		m, err := quick.Recv(fd, p[:min(n-dropped, len(p))], 0)
		if err != nil || m == 0 {
			break
		}
		dropped += m
	}
	return dropped
}
