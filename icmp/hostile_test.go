package icmp

import (
	"encoding/binary"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// farSocket opens a raw ICMP socket in the far namespace: sockets stay in the
// namespace of the thread that made them.
func farSocket(t *testing.T, domain, proto int) int {
	t.Helper()
	fds := make(chan int)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		fd := -1
		if ns, err := unix.Open(os.Getenv(farEnv), unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
			if unix.Setns(ns, unix.CLONE_NEWNET) == nil {
				fd, _ = unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, proto)
			}
			unix.Close(ns)
		}
		fds <- fd
	}()
	fd := <-fds
	if fd < 0 {
		t.Fatal("no raw socket in the far namespace")
	}
	t.Cleanup(func() { unix.Close(fd) })
	tv := unix.NsecToTimeval(int64(5 * time.Second))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		t.Fatal(err)
	}
	return fd
}

// message4 is an ICMPv4 message with a right checksum.
func message4(typ, code uint8, id, seq uint16, data []byte) []byte {
	m := append([]byte{typ, code, 0, 0, byte(id >> 8), byte(id), byte(seq >> 8), byte(seq)}, data...)
	binary.BigEndian.PutUint16(m[2:], ^fold(addChecksum(0, m)))
	return m
}

// quote4 is an IPv4 packet with an echo request, as a router would quote it.
func quote4(src, dst netip.Addr, id, seq uint16, data []byte) []byte {
	m := message4(icmpv4EchoRequest, 0, id, seq, data)
	h := make([]byte, 20)
	h[0], h[8], h[9] = 0x45, 1, protoICMP
	binary.BigEndian.PutUint16(h[2:], uint16(len(h)+len(m)))
	s, d := src.As4(), dst.As4()
	copy(h[12:], s[:])
	copy(h[16:], d[:])
	return append(h, m...)
}

// The far host sees a request and answers it itself with everything but what
// it should. Of all this, the duplicates alone come through.
func TestHostileReplies(t *testing.T) {
	if !inside(t, asRoot, false) {
		return
	}
	c := openConn(t, Options{HelperPath: os.Getenv(plainEnv)}, RungHelper)
	a := newAsker(t, c)
	far := farSocket(t, unix.AF_INET, unix.IPPROTO_ICMP)
	// The forger must be able to speak as the address that was pinged.
	if err := unix.SetsockoptInt(far, unix.SOL_IP, unix.IP_FREEBIND, 1); err != nil {
		t.Fatal(err)
	}
	target, near := addr(farAddrs[0]), addr("10.91.0.2")
	a.checkEcho(Request{Dst: target, ID: 5, Seq: 6, Payload: pattern(32)})
	seen := make([]byte, 1500)
	n, _, err := unix.Recvfrom(far, seen, 0)
	if err != nil {
		t.Fatal(err)
	}
	request, ok := parseIPv4(seen[:n])
	if !ok || request.dst != target {
		t.Fatalf("seen %x", seen[:n])
	}
	e, ok := parseEcho(inet, request.payload)
	if !ok || e.typ != icmpv4EchoRequest || !checksumOK(request.payload) {
		t.Fatalf("seen %x", request.payload)
	}
	good := message4(icmpv4EchoReply, 0, e.id, e.seq, e.data)
	badSum := append([]byte(nil), good...)
	badSum[2] ^= 1
	say := func(from netip.Addr, m []byte) {
		t.Helper()
		if err := unix.Bind(far, &unix.SockaddrInet4{Addr: from.As4()}); err != nil {
			t.Fatal(err)
		}
		if err := unix.Sendto(far, m, 0, &unix.SockaddrInet4{Addr: near.As4()}); err != nil {
			t.Fatal(err)
		}
	}
	other := addr(otherFarAddrs[0])
	quoted := func(dst netip.Addr, id, seq uint16) []byte { return quote4(near, dst, id, seq, e.data) }
	for _, m := range [][]byte{
		badSum,
		good[:4], good[:7],
		message4(icmpv4EchoReply, 1, e.id, e.seq, e.data),                // no such code
		message4(icmpv4EchoReply, 0, e.id^idMask, e.seq, e.data),         // not ours
		message4(icmpv4EchoReply, 0, e.id, e.seq+1, e.data),              // not outstanding
		message4(icmpv4EchoReply, 0, e.id^1, e.seq, e.data),              // no such block
		message4(icmpv4Unreachable, 1, 0, 0, quoted(other, e.id, e.seq)), // never sent there
		message4(icmpv4Unreachable, 1, 0, 0, quoted(target, e.id, e.seq+1)),
		message4(icmpv4Unreachable, 1, 0, 0, quoted(target, e.id, e.seq)[:24]),
		message4(5, 1, 0, 0, quoted(target, e.id, e.seq)), // redirect
		message4(icmpv4Unreachable, 1, 0, 0, good),
	} {
		say(target, m)
	}
	say(other, good) // not from where the request went
	say(target, good)
	say(target, message4(icmpv4EchoReply, 0, e.id, e.seq, pattern(60000)))
	say(other, message4(icmpv4Unreachable, 13, 0, 0, quoted(target, e.id, e.seq)))
	for i, want := range []struct {
		kind Kind
		size int
		from netip.Addr
	}{{EchoReply, 32, target}, {EchoReply, 60000, target}, {Error, 32, other}} {
		r := a.next()
		if r.Kind != want.kind || len(r.Payload) != want.size || r.From != want.from || r.ID != 5 || r.Seq != 6 {
			t.Fatalf("%d: got %v", i, brief(r))
		}
	}
	// The kernel's answer to one more request is the next that comes.
	a.checkEcho(Request{Dst: target, ID: 5, Seq: 7, Payload: pattern(8)})
	if len(a.replies) != 0 {
		t.Fatalf("more came: %v", brief(a.next()))
	}
	if got := c.Counters(); got.HelperDeaths != 0 || got.Replies != 5 {
		t.Fatalf("counters %+v", got)
	}
}
