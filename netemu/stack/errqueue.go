package stack

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/waiter"
)

// maxQueuedErrors bounds an endpoint's IP_RECVERR queue. Linux bounds it by the
// receive buffer: at about 1.3 KiB an entry 212992 bytes hold some 160.
const maxQueuedErrors = 160

// QueuedError is one entry of the IP_RECVERR queue, struct sock_extended_err
// with what recvmsg(MSG_ERRQUEUE) returns beside it.
type QueuedError struct {
	Errno              unix.Errno
	Origin, Type, Code uint8 // SO_EE_ORIGIN_*, ICMP type and code
	Info               uint32
	Payload            []byte  // of the packet that caused it, after the UDP or IP header
	Dst                Addr    // where that packet went
	Offender           Addr    // who reported; port 0
	Control            Control // of the ICMP message; TTL or HopLimit and Timestamp
}

// TakeQueuedError takes the oldest entry of the IP_RECVERR queue. As
// sock_dequeue_err_skb does, it makes the next entry's error the pending one,
// or clears it.
func (e *Endpoint) TakeQueuedError() (QueuedError, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.errQueue) == 0 {
		return QueuedError{}, false
	}
	q := e.errQueue[0]
	e.errQueue = e.errQueue[1:]
	if len(e.errQueue) > 0 && e.errQueue[0].Origin != unix.SO_EE_ORIGIN_LOCAL {
		e.pending = e.errQueue[0].Errno
	} else if q.Origin != unix.SO_EE_ORIGIN_LOCAL {
		e.pending = 0
	}
	if len(e.errQueue) == 0 {
		e.errQueue = nil
	}
	return q, true
}

// wantsErrorsLocked says whether the program set IP_RECVERR or IPV6_RECVERR for
// errors about packets to dst.
//
// Preconditions: e.mu is locked.
func (e *Endpoint) wantsErrorsLocked(dst netip.Addr) bool {
	if e.family == Inet6 && e.flags[RecvErr6] {
		return true
	}
	return dst.Unmap().Is4() && e.flags[RecvErr4]
}

// queueLocal queues an error of this host's own, ip_local_error: only EMSGSIZE
// with the MTU.
func (e *Endpoint) queueLocal(en unix.Errno, info uint32, dst netip.Addr) {
	e.mu.Lock()
	if e.wantsErrorsLocked(dst) {
		e.queueLocked(QueuedError{
			Errno:   en,
			Origin:  unix.SO_EE_ORIGIN_LOCAL,
			Info:    info,
			Dst:     Addr{AddrPort: netip.AddrPortFrom(e.family.mapped(dst), 0)},
			Control: Control{TTL: -1, TOS: -1, HopLimit: -1, TClass: -1, Timestamp: time.Now()},
		})
	}
	e.mu.Unlock()
}

// queueLocked appends to the queue or drops and counts.
//
// Preconditions: e.mu is locked.
func (e *Endpoint) queueLocked(q QueuedError) {
	if len(e.errQueue) >= maxQueuedErrors {
		e.s.errQueueDropped.Add(1)
		return
	}
	e.errQueue = append(e.errQueue, q)
}

// SendsTell says whether a send tells a pending error: on a raw socket only one that
// brings the IP header (raw_send_hdrinc; ip_append_data looks for one where there is a
// transport header).
func (e *Endpoint) SendsTell() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sendsTellLocked()
}

func (e *Endpoint) sendsTellLocked() bool {
	return e.kind != kindRaw || e.echo || e.ep.SocketOptions().GetHeaderIncluded()
}

// reportICMP applies Linux's rules to an ICMP error about a packet that e sent:
// with IP_RECVERR every error is queued and pending; without, only hard ones
// are, and only on connected sockets (__udp4_lib_err, raw_err).
func (e *Endpoint) reportICMP(q QueuedError, hard bool) {
	_, notConnected := e.Remote()
	e.mu.Lock()
	wants := e.wantsErrorsLocked(q.Dst.Addr())
	if !wants && (!hard || notConnected != 0) {
		e.mu.Unlock()
		return
	}
	if wants {
		q.Dst.AddrPort = netip.AddrPortFrom(e.family.mapped(q.Dst.Addr()), q.Dst.Port())
		q.Offender.AddrPort = netip.AddrPortFrom(e.family.mapped(q.Offender.Addr()), 0)
		e.queueLocked(q)
	}
	e.pending = q.Errno
	e.mu.Unlock()
	e.wq.Notify(waiter.EventErr)
}
