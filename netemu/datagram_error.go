package netemu

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
	"netbox/trap"
)

// maxQueuedErrors bounds a socket's error queue; Linux bounds it by SO_RCVBUF,
// which at the default holds about as many.
const maxQueuedErrors = 256

// queuedError is an entry of a socket's error queue, and when it came.
type queuedError struct {
	stack.QueuedError
	at time.Time
}

func queuedNow(q stack.QueuedError) queuedError { return queuedError{q, time.Now()} }

// byICMP is is_icmp_err_skb.
func byICMP(q stack.QueuedError) bool { return q.Origin != unix.SO_EE_ORIGIN_LOCAL }

// An entry of a UDP socket's error queue shows as POLLERR at once. One of a raw or
// ICMP echo socket does when the task sleeps, not while it runs: the surrogate's
// error would fail the next native send(2), which Linux lets pass on raw sockets, and
// tools that read the queue (traceroute, mtr) send in bursts and then poll.
const (
	// errorQuiet is when the task is first looked at: soon, since traceroute waits
	// only three round trips for the other probes of a hop.
	errorQuiet = 50 * time.Microsecond
	// maxErrorQuiet is what the time between two looks grows to.
	maxErrorQuiet = time.Millisecond
	// maxBusyLooks bounds the looks: a task that never sleeps is told after about
	// 100 ms.
	maxBusyLooks = 100
	// maxRests bounds the doubling of errorQuiet while a receive waits, which the
	// queue wakes here and not on Linux: 50 µs becomes 13 ms, of which waking and
	// waiting again are 1 %.
	maxRests = 8
)

// fail makes errno the socket's pending error and shows it on the surrogate.
func (d *datagram) fail(errno unix.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.soError = errno
	d.raiseLocked()
}

// raiseLocked sees to it that the surrogate shows the pending error.
func (d *datagram) raiseLocked() {
	if !d.closed {
		d.watchLocked()
	}
}

// showLocked shows the pending error on the surrogate. Where a second one could not
// be taken off it with the first (correct), one is shown at a time: a watched process
// takes none unnoticed.
func (d *datagram) showLocked() {
	if d.raised && d.watched != 0 && !d.e.borrow {
		return
	}
	if !d.closed && d.sur.Raise() == 0 {
		d.raised = true
	}
}

// raiseSoonLocked shows the error queue on the surrogate when the task has been
// quiet for a moment, or now.
func (d *datagram) raiseSoonLocked() {
	if d.closed || len(d.errors) == 0 {
		return
	}
	if _, isUDP := d.tr.(*udp); isUDP {
		if !d.raised {
			d.raiseLocked()
		}
		return
	}
	d.raiseInLocked(errorQuiet)
}

// rest takes the queue off the surrogate for a while: a receive waits, and only
// a pending error would end it (__skb_wait_for_more_packets). The kernel waits for
// it, and a signal may end that unseen and the task then poll: so the queue is
// shown again, later each time.
func (d *datagram) rest() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.raised || d.isToldLocked() {
		return
	}
	d.rests = min(d.rests+1, maxRests)
	d.raiseInLocked(errorQuiet << d.rests)
}

// isToldLocked says that the task knows of every error.
func (d *datagram) isToldLocked() bool { return len(d.errors) == 0 && d.soError == 0 }

// raiseInLocked looks for the task after a time, and raises if it sleeps then.
func (d *datagram) raiseInLocked(after time.Duration) {
	if d.raiser != nil {
		d.raiser.Reset(after)
		return
	}
	d.raiser = time.AfterFunc(after, d.raiseQuietly)
}

// raiseQuietly raises if the task sleeps, as in poll(2); one that runs may be in
// its burst, however long it was preempted.
func (d *datagram) raiseQuietly() {
	busy := running(int(d.caller.Load()))
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed || d.raised || d.isToldLocked():
		d.busyLooks = 0
	case busy && d.busyLooks < maxBusyLooks:
		d.busyLooks++
		d.raiser.Reset(min(errorQuiet<<min(d.busyLooks, 5), maxErrorQuiet))
	default:
		d.busyLooks = 0
		d.raiseLocked()
	}
}

// running says whether a task is on a CPU, waits for one, is held in a stop of ours
// or waits for us to answer a call (proc_pid_stat(5), state; proc_pid_wchan(5)).
// A listener's task sleeps as any other until its notification is received
// (kernel/seccomp.c, seccomp_do_user_notification).
func running(tid int) bool {
	dir := "/proc/" + strconv.Itoa(tid)
	for range maxWchanReads {
		if onCPU(dir) {
			return true
		}
		where, err := os.ReadFile(dir + "/wchan")
		if err != nil {
			return false
		}
		if string(where) != "0" {
			return bytes.Contains(where, []byte("seccomp"))
		}
	}
	return false
}

// maxWchanReads bounds the looks at a task that sleeps nowhere: it has gone on since
// its state was read, time after time, or the kernel has no CONFIG_KALLSYMS.
const maxWchanReads = 3

// onCPU says whether a task runs, would, or is held in a stop of ours.
func onCPU(dir string) bool {
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return false
	}
	_, rest, ok := bytes.Cut(stat, []byte(") "))
	return ok && len(rest) > 0 && bytes.IndexByte([]byte("RDt"), rest[0]) >= 0
}

// remind shows the error queue again if the surrogate does not.
func (d *datagram) remind() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.raised {
		d.raiseSoonLocked()
	}
}

// takeQueued moves netstack's error queue here, and says whether an ICMP error
// was in it: those are pending too, errors of this host are not
// (sock_queue_err_skb).
func (d *datagram) takeQueued() (pending bool) {
	for {
		q, ok := d.tr.queuedError()
		if !ok {
			return pending
		}
		d.in.takeFailed() // the same, or an older one
		d.mu.Lock()
		if len(d.errors) < maxQueuedErrors {
			d.errors = append(d.errors, queuedNow(q))
		}
		if byICMP(q) {
			pending = true
			d.soError = q.Errno
		}
		d.raiseSoonLocked()
		d.mu.Unlock()
	}
}

// receiveError is recvmsg(MSG_ERRQUEUE): the payload is the packet that caused
// the error, the name where that went, the control message the error itself
// (ip_recv_error in net/ipv4/ip_sockglue.c).
func (d *datagram) receiveError(t trap.Task, fd int32, r recvRequest) trap.Verdict {
	d.pull()
	d.mu.Lock()
	if len(d.errors) == 0 {
		d.mu.Unlock()
		return trap.Fail(unix.EAGAIN)
	}
	q := d.errors[0]
	d.errors = d.errors[1:]
	if len(d.errors) > 0 && byICMP(d.errors[0].QueuedError) { // sock_dequeue_err_skb
		d.soError = d.errors[0].Errno
	} else if byICMP(q.QueuedError) {
		d.soError = 0
	}
	d.mu.Unlock()
	n, errno := scatter(t, r, q.Payload)
	if errno != 0 {
		return trap.Fail(errno)
	}
	flags := unix.MSG_ERRQUEUE
	if n < len(q.Payload) {
		flags |= unix.MSG_TRUNC
	}
	v := r.finish(t, delivered{n: int64(n), flags: flags, from: sockaddr(d.idn.family, q.Dst), control: d.errorMessages(q)})
	return d.lower(fd, v)
}

// errorMessages are the control messages for q: what is wanted of the ICMP
// packet's time and IP header, and IP_RECVERR or IPV6_RECVERR. Errors of this
// host have no such packet.
func (d *datagram) errorMessages(q queuedError) []abi.Cmsg {
	d.mu.Lock()
	w := d.want
	d.mu.Unlock()
	c := q.Control
	c.Timestamp = q.at
	if q.Origin == unix.SO_EE_ORIGIN_LOCAL {
		c.TTL, c.TOS, c.HopLimit, c.TClass, c.PktInfo = -1, -1, -1, -1, nil
	}
	w.timestamping = 0 // that is of what is received only
	out := w.messages(d.idn.family, arrival{control: c})
	e := abi.SockExtendedErr{
		Errno: uint32(q.Errno), Origin: q.Origin, Type: q.Type, Code: q.Code, Info: q.Info,
	}
	m := abi.Cmsg{Level: unix.SOL_IP, Type: unix.IP_RECVERR}
	if d.idn.family == unix.AF_INET6 {
		m = abi.Cmsg{Level: unix.SOL_IPV6, Type: unix.IPV6_RECVERR}
	}
	m.Data = e.BytesWith(uint16(d.idn.family), q.Offender.Addr(), uint32(q.Offender.NIC))
	return append(out, m)
}
