package icmp

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// idBits is how many identifiers the engine may use at once, as a power
	// of two: 16, and with them 2^20 slots, so that 100,000 unanswered
	// requests a second can be outstanding for unansweredLife. The block is
	// aligned, so that one mask in the socket filter tells all of them.
	idBits = 4
	idMask = 0xffff << idBits & 0xffff

	// receiveBuffer holds the largest IP packet.
	receiveBuffer = 1 << 16
)

// Engine sends echo requests on raw sockets and receives the answers, in
// batches, on the goroutine that calls Serve. It is the helper's.
//
// Back-pressure runs backwards through it: while the supervisor takes no
// replies, nothing is read from the raw sockets, whose buffers overflow and
// count it (SO_RXQ_OVFL); while the pace or a full send buffer holds requests
// back, no more are read from the supervisor.
type Engine struct {
	ctl     int
	v4, v6  rawSockets
	base    uint16 // of our identifiers
	table   *table
	pace    pacer
	in      *receiver
	replies packer

	// requests of the message in message, of which the first taken have been
	// given to a sender.
	message  []byte
	requests []Request
	taken    int
	senders  [4]rawSender

	overflows4, overflows6 uint32
}

// rawSender is a batch on its way out through one socket. blocked means that
// the socket's send buffer was full.
type rawSender struct {
	sender
	fd      int
	blocked bool
}

// OpenEngine opens the raw sockets; this is the part that needs CAP_NET_RAW.
// A family whose sockets cannot be opened is reported to the supervisor by
// Serve.
func OpenEngine() (*Engine, error) {
	var seed [4]byte
	rand.Read(seed[:])
	e := &Engine{
		base:    binary.BigEndian.Uint16(seed[:]) & idMask,
		table:   newTable(1<<idBits, binary.BigEndian.Uint16(seed[2:])),
		pace:    newPacer(monotonic()),
		in:      newReceiver(maxBatch, receiveBuffer),
		replies: packer{typ: repliesMessage},
		message: make([]byte, maxMessage+1),
	}
	var err error
	if e.v4, err = openRaw(inet, filter4(e.base, idMask)); err != nil {
		return nil, fmt.Errorf("raw ICMP socket: %w", err)
	}
	if e.v6, err = openRaw(inet6, filter6(e.base, idMask)); err != nil {
		e.v4.close()
		return nil, fmt.Errorf("raw ICMPv6 socket: %w", err)
	}
	for i, fd := range []int{e.v4.recv, e.v4.df, e.v6.recv, e.v6.df} {
		e.senders[i].fd = fd
	}
	return e, nil
}

// Close closes the raw sockets.
func (e *Engine) Close() {
	e.v4.close()
	e.v6.close()
}

// Serve talks the helper protocol on ctl, a connected SOCK_SEQPACKET socket in
// non-blocking mode, until the other side closes it. It answers an error when
// the other side breaks the protocol.
func (e *Engine) Serve(ctl int) error {
	e.ctl = ctl
	_, err := unix.Write(ctl, appendHello(nil, hello{e.v4.errno, e.v6.errno}))
	if err != nil && err != unix.EPIPE { // a hang-up, which readHello sees
		return fmt.Errorf("write hello: %w", err)
	}
	err = e.readHello()
	for err == nil {
		err = e.turn()
	}
	if err == errHangUp {
		return nil
	}
	return err
}

// errHangUp says that the supervisor has closed its end.
var errHangUp = errors.New("hang-up")

// turn waits and then does what is ready: replies first, they carry the
// clock.
func (e *Engine) turn() error {
	ready, err := e.poll()
	if err != nil {
		return err
	}
	if ready.v4 {
		e.receive(inet, e.v4.recv)
	}
	if ready.v6 {
		e.receive(inet6, e.v6.recv)
	}
	if ready.requests {
		if err := e.readRequests(); err != nil {
			return err
		}
	}
	e.transmit()
	return e.flush()
}

// readHello waits for the supervisor's hello.
func (e *Engine) readHello() error {
	fds := []unix.PollFd{{Fd: int32(e.ctl), Events: unix.POLLIN}}
	for {
		if _, err := unix.Ppoll(fds, nil, nil); err != nil && err != unix.EINTR {
			return fmt.Errorf("ppoll: %w", err)
		}
		m, err := e.readMessage()
		if err != nil {
			return err
		}
		if m != nil {
			_, err := parseHello(m)
			return err
		}
	}
}

// readMessage takes one message from the supervisor, nil if there is none.
func (e *Engine) readMessage() ([]byte, error) {
	n, err := unix.Read(e.ctl, e.message)
	switch {
	case err == unix.EAGAIN, err == unix.EINTR:
		return nil, nil
	case err == unix.ECONNRESET, err == nil && n == 0: // reset: something was left unread
		return nil, errHangUp
	case err != nil:
		return nil, fmt.Errorf("read: %w", err)
	}
	return e.message[:n], nil
}

// readRequests takes one message of requests.
func (e *Engine) readRequests() error {
	m, err := e.readMessage()
	if m == nil || err != nil {
		return err
	}
	e.taken = 0
	e.requests, err = parseRequests(m, e.requests[:0])
	return err
}

// receive takes one batch of packets from a raw socket.
func (e *Engine) receive(f family, fd int) {
	n, errno := e.in.receive(fd, 0)
	if errno != 0 {
		return // EAGAIN; any other error of the socket is cleared by this call
	}
	now := monotonic()
	for i := range n {
		p := e.in.packet(i)
		if f == inet {
			e.overflows4 = max(e.overflows4, p.overflows)
			e.received4(p, now)
		} else {
			e.overflows6 = max(e.overflows6, p.overflows)
			e.received(inet6, p.data, p, now)
		}
	}
}

// received4 takes the IP header off a packet of the raw ICMP socket, which
// gets packets before the kernel has verified their ICMP checksum. (A raw
// ICMPv6 socket gets only good ones: linux/net/ipv6/raw.c rawv6_rcv.)
func (e *Engine) received4(p packet, now int64) {
	h, ok := parseIPv4(p.data)
	if !ok || !checksumOK(h.payload) {
		return
	}
	p.from, p.ttl = h.src, h.ttl
	e.received(inet, h.payload, p, now)
}

// received queues the reply for an ICMP message that answers a request of
// ours, and disregards any other.
func (e *Engine) received(f family, message []byte, p packet, now int64) {
	if r, ok := answer(f, message, p, now, e.table, e.index); ok {
		e.replies.addReply(&r)
	}
}

// index is the slot that an identifier and sequence number of the wire stand
// for.
func (e *Engine) index(id, seq uint16) (uint32, bool) {
	return uint32(id&^idMask)<<16 | uint32(seq), id&idMask == e.base
}

// answer makes the Reply for a received ICMP message, if it answers a request
// in t. index maps a wire identifier and sequence number to a slot.
func answer(f family, message []byte, p packet, now int64, t *table, index func(id, seq uint16) (uint32, bool)) (Reply, bool) {
	if ec, ok := parseEcho(f, message); ok && ec.typ == f.echoReply() {
		i, ok := index(ec.id, ec.seq)
		if !ok {
			return Reply{}, false
		}
		s := t.find(i, p.from, now)
		if s == nil {
			return Reply{}, false
		}
		s.answered(now)
		r := s.reply(EchoReply)
		r.Payload = ec.data
		return stamped(r, message, p), true
	}
	ie, ok := parseError(f, message)
	if !ok {
		return Reply{}, false
	}
	i, ok := index(ie.id, ie.seq)
	if !ok {
		return Reply{}, false
	}
	s := t.find(i, ie.dst, now)
	if s == nil {
		return Reply{}, false
	}
	s.answered(now)
	r := s.reply(Error)
	r.Info, r.Payload = ie.info, ie.data
	return stamped(r, message, p), true
}

// stamped adds what is known of the packet itself. A send stamp that came
// out later than the reply (it is estimated within a batch) is drawn back.
func stamped(r Reply, message []byte, p packet) Reply {
	r.From, r.TTL, r.Type, r.Code = p.from, p.ttl, message[0], message[1]
	r.Received = time.Unix(0, p.stamp)
	if r.Sent.After(r.Received) {
		r.Sent = r.Received
	}
	return r
}
