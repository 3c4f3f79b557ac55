package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// resolve asks the servers until one gives an answer to be passed on; nil when
// none did. As glibc does (res_send.c), an answer that says that the server
// can't or won't (SERVFAIL, NOTIMP, REFUSED) sends the question on to the next
// server, and is passed on only if no other does better.
func (f *Forwarder) resolve(q *dns.Msg) *dns.Msg {
	var worse *dns.Msg
	for range f.attempts {
		first := int(f.preferred.Load())
		for i := range f.servers {
			n := (first + i) % len(f.servers)
			m, err := f.ask(f.servers[n], q)
			if err == nil && !unwilling(m.Rcode) {
				f.preferred.Store(uint32(n))
				return m
			}
			if f.ctx.Err() != nil {
				return nil
			}
			if err != nil {
				f.log.Debug("asking upstream", "err", err)
				continue
			}
			f.log.Debug("asking upstream", "nameserver", f.servers[n], "rcode", dns.RcodeToString[m.Rcode])
			worse = m
		}
		if worse != nil {
			return worse
		}
	}
	return nil
}

func unwilling(rcode int) bool {
	return rcode == dns.RcodeServerFailure || rcode == dns.RcodeNotImplemented || rcode == dns.RcodeRefused
}

// ask puts q to one server: UDP, and TCP if that answer was cut. Where TCP
// fails the cut answer stands, with its TC bit.
func (f *Forwarder) ask(server netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
	up := q.Copy()
	// An ID of our own: the program's may be predictable, and two programs may
	// use the same at the same time.
	up.Id = dns.Id()
	wire, err := up.Pack()
	if err != nil {
		return nil, fmt.Errorf("packing question: %w", err)
	}
	m, err := f.exchange("udp", server, up, wire)
	if err != nil || !m.Truncated {
		return m, err
	}
	if whole, err := f.exchange("tcp", server, up, wire); err == nil {
		return whole, nil
	}
	return m, nil
}

// exchange sends one question on a new socket (so from a new port, which an
// off-path forger has to guess as well as the ID) and waits for its answer.
func (f *Forwarder) exchange(network string, server netip.AddrPort, q *dns.Msg, wire []byte) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(f.ctx, f.wait)
	defer cancel()
	c, err := f.dial(ctx, network, server.String())
	if err != nil {
		return nil, fmt.Errorf("nameserver %v: %w", server, err)
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		return nil, fmt.Errorf("nameserver %v: %w", server, err)
	}
	stop := context.AfterFunc(ctx, func() {
		// Only Close ends the wait before the deadline does.
		_ = c.SetDeadline(time.Unix(1, 0))
	})
	defer stop()
	transact := transactUDP
	if network == "tcp" {
		transact = transactTCP
	}
	m, err := transact(c, q, wire)
	if err != nil {
		return nil, fmt.Errorf("nameserver %v over %s: %w", server, network, err)
	}
	return m, nil
}

// transactUDP skips what is not an answer to q (garbage, another ID, another
// question): a forger must not be able to end the wait for the true one.
func transactUDP(c net.Conn, q *dns.Msg, wire []byte) (*dns.Msg, error) {
	if _, err := c.Write(wire); err != nil {
		return nil, err
	}
	buf := make([]byte, dns.MaxMsgSize)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return nil, err
		}
		m := new(dns.Msg)
		if m.Unpack(buf[:n]) == nil && answers(q, m) {
			return m, nil
		}
	}
}

// errNotAnswer: on a stream of our own there is nobody but the server to
// blame, so the next one is asked.
var errNotAnswer = errors.New("not an answer to the question")

// transactTCP is the same with two bytes of length before each message
// (RFC 1035 section 4.2.2).
func transactTCP(c net.Conn, q *dns.Msg, wire []byte) (*dns.Msg, error) {
	framed := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(wire)), uint16(len(wire)))
	if _, err := c.Write(append(framed, wire...)); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return nil, err
	}
	buf := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(c, buf); err != nil {
		return nil, err
	}
	m := new(dns.Msg)
	if err := m.Unpack(buf); err != nil {
		return nil, err
	}
	if !answers(q, m) {
		return nil, errNotAnswer
	}
	return m, nil
}
