package icmp

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// pingBatch packets are read at once from a ping socket. Its buffers lie
	// in the supervisor, 64 KiB each, so there are fewer than in the helper.
	pingBatch = 8

	// staleErrors is how often a send is tried again: an ICMP error for an
	// earlier request is also left on the socket, and the next send returns
	// it instead of sending (ip(7), IP_RECVERR). Each try takes one off.
	staleErrors = 4
)

// pingRung is the unprivileged rung: a ping socket for each family that has
// one. The kernel puts its own identifier into requests and hands replies to
// the socket with that identifier; sequence numbers stand for slots.
type pingRung struct {
	conn    *Conn
	v4, v6  *pingSocket // one may be nil
	readers sync.WaitGroup
}

// pingSocket is one family's ping socket with its error queue.
type pingSocket struct {
	family family
	file   *os.File
	raw    syscall.RawConn

	// The reader's.
	in        *receiver
	overflows uint32 // as SO_RXQ_OVFL told last

	mu    sync.Mutex
	table *table
	df    bool // what the socket is set to
	out   sender
}

// openPing opens the ping sockets. It fails if there is none in either
// family.
func openPing(c *Conn) (*pingRung, error) {
	v4, err4 := openPingSocket(inet)
	v6, err6 := openPingSocket(inet6)
	if v4 == nil && v6 == nil {
		return nil, pingUnavailable(err4, err6)
	}
	p := &pingRung{conn: c, v4: v4, v6: v6}
	for _, s := range []*pingSocket{v4, v6} {
		if s != nil {
			p.readers.Add(1) // read
			go p.read(s)
		}
	}
	return p, nil
}

func openPingSocket(f family) (*pingSocket, error) {
	domain, proto := unix.AF_INET, unix.IPPROTO_ICMP
	options := []sockopt{{0, unix.SOL_IP, unix.IP_RECVERR, 1}, {0, unix.SOL_IP, unix.IP_RECVTTL, 1}}
	if f == inet6 {
		domain, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
		options = []sockopt{{0, unix.SOL_IPV6, unix.IPV6_RECVERR, 1}, {0, unix.SOL_IPV6, unix.IPV6_RECVHOPLIMIT, 1}}
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	options = append(options,
		sockopt{0, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1},
		sockopt{0, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1},
		sockopt{0, unix.SOL_SOCKET, unix.SO_RCVBUF, rawBuffer})
	options = append(options, pingDF(f, false)...)
	file := os.NewFile(uintptr(fd), "ping socket")
	raw, err := file.SyscallConn()
	if err == nil {
		err = setAll(raw, options)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	var start [2]byte
	rand.Read(start[:])
	return &pingSocket{
		family: f,
		file:   file,
		raw:    raw,
		in:     newReceiver(pingBatch, receiveBuffer),
		table:  newTable(1, binary.BigEndian.Uint16(start[:])),
	}, nil
}

// setAll sets options on the descriptor of raw; it fails if that is closed.
func setAll(raw syscall.RawConn, options []sockopt) error {
	var first error
	err := raw.Control(func(fd uintptr) {
		for _, o := range options {
			if err := unix.SetsockoptInt(int(fd), o.level, o.name, o.value); err != nil && first == nil {
				first = fmt.Errorf("setsockopt %d, %d: %w", o.level, o.name, err)
			}
		}
	})
	return errors.Join(err, first)
}

// pingDF are the options that set or clear DF for the requests that follow;
// PMTUDISC_PROBE as on the raw sockets.
func pingDF(f family, df bool) []sockopt {
	switch {
	case f == inet && df:
		return []sockopt{{0, unix.SOL_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE}}
	case f == inet:
		return []sockopt{{0, unix.SOL_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT}}
	case df:
		return []sockopt{
			{0, unix.SOL_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE},
			{0, unix.SOL_IPV6, unix.IPV6_DONTFRAG, 1},
		}
	}
	return []sockopt{
		{0, unix.SOL_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_WANT},
		{0, unix.SOL_IPV6, unix.IPV6_DONTFRAG, 0},
	}
}

func (*pingRung) name() string { return RungPingSocket }

func (p *pingRung) close() {
	for _, s := range []*pingSocket{p.v4, p.v6} {
		if s != nil {
			s.file.Close()
		}
	}
	p.readers.Wait()
}

func (p *pingRung) send(r *Request) unix.Errno {
	s := p.v4
	if r.Dst.Is6() {
		s = p.v6
	}
	if s == nil {
		return unix.ENETUNREACH
	}
	return s.send(r)
}

// send sends one request without waiting.
func (s *pingSocket) send(r *Request) unix.Errno {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.df != r.DF {
		if err := setAll(s.raw, pingDF(s.family, r.DF)); err != nil {
			return unix.EHOSTUNREACH // closed
		}
		s.df = r.DF
	}
	index, ok := s.table.put(r, monotonic())
	if !ok {
		return unix.ENOBUFS
	}
	s.out.reset()
	s.out.add(r, index, 0, uint16(index))
	s.table.at(index).sent = time.Now().UnixNano()
	errno := s.sendOut()
	if errno != 0 {
		s.table.at(index).release()
	}
	return errno
}

// sendOut sends the one request in s.out, past the errors that earlier
// requests left on the socket.
func (s *pingSocket) sendOut() unix.Errno {
	errno := unix.EHOSTUNREACH // closed
	s.raw.Control(func(fd uintptr) {
		for range 1 + staleErrors {
			if _, errno = sendmmsg(int(fd), s.out.hdrs[:1]); errno == 0 || errno == unix.EAGAIN {
				return
			}
		}
	})
	if errno == unix.EAGAIN {
		return unix.ENOBUFS
	}
	return errno
}

// read delivers replies and errors until the socket is closed.
func (p *pingRung) read(s *pingSocket) {
	defer p.readers.Done()
	for {
		err := s.raw.Read(func(fd uintptr) bool {
			errs := s.receive(p.conn, int(fd), unix.MSG_ERRQUEUE)
			packets := s.receive(p.conn, int(fd), 0)
			return errs || packets // else wait for more
		})
		if err != nil {
			return
		}
	}
}

// receive delivers one batch from the error queue or the receive queue. more
// is false when that queue was empty; an error that an ICMP message left on
// the socket is taken off by the call and does not mean empty.
func (s *pingSocket) receive(c *Conn, fd, flags int) (more bool) {
	n, errno := s.in.receive(fd, flags)
	now := monotonic()
	for i := range n {
		p := s.in.packet(i)
		if p.overflows > s.overflows {
			c.counters.overflows.Add(uint64(p.overflows - s.overflows))
			s.overflows = p.overflows
		}
		if r, ok := s.answer(p, now); ok {
			r.Payload = slices.Clone(r.Payload)
			c.deliver(r)
		}
	}
	return errno != unix.EAGAIN
}

// answer makes the Reply for a packet of either queue.
func (s *pingSocket) answer(p packet, now int64) (Reply, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.err != nil {
		return s.quoted(p, now)
	}
	return answer(s.family, p.data, p, now, s.table, func(_, seq uint16) (uint32, bool) {
		return uint32(seq), true
	})
}

// quoted makes the Reply for an entry of the error queue: the request's own
// ICMP message, sent to p.from, with what went wrong in p.err. Errors of
// local origin are not counted, Send has returned them.
func (s *pingSocket) quoted(p packet, now int64) (Reply, bool) {
	request, ok := parseEcho(s.family, p.data)
	if !ok || p.err.Origin != unix.SO_EE_ORIGIN_ICMP && p.err.Origin != unix.SO_EE_ORIGIN_ICMP6 {
		return Reply{}, false
	}
	o := s.table.find(uint32(request.seq), p.from, now)
	if o == nil || !p.offender.IsValid() {
		return Reply{}, false
	}
	o.answered(now)
	r := o.reply(Error)
	r.Info, r.Payload = p.err.Info, request.data
	p.from = p.offender
	return stamped(r, []byte{p.err.Type, p.err.Code}, p), true
}
