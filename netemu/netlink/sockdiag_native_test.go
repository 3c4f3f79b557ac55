package netlink

import (
	"encoding/binary"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// natives are real sockets and what the server is told of them.
type natives struct {
	t   *testing.T
	tcp []Socket
	udp []Socket
}

// Sockets implements Sockets.
func (n *natives) Sockets(table, _ uint8) []Socket {
	switch table {
	case unix.IPPROTO_TCP:
		return n.tcp
	case unix.IPPROTO_UDP:
		return n.udp
	}
	return nil
}

func (n *natives) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *natives) socket(family, typ int) int {
	n.t.Helper()
	fd, err := unix.Socket(family, typ|unix.SOCK_CLOEXEC, 0)
	n.must(err)
	n.t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func point(s string) unix.Sockaddr {
	a := netip.MustParseAddrPort(s)
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// bound makes a socket with an address of its own.
func (n *natives) bound(typ int, local string) int {
	n.t.Helper()
	family := unix.AF_INET6
	if netip.MustParseAddrPort(local).Addr().Is4() {
		family = unix.AF_INET
	}
	fd := n.socket(family, typ)
	n.must(unix.Bind(fd, point(local)))
	return fd
}

func (n *natives) listener(local string, backlog int) int {
	n.t.Helper()
	fd := n.bound(unix.SOCK_STREAM, local)
	n.must(unix.Listen(fd, backlog))
	return fd
}

// connected makes a connection from local to remote; accepted is -1 unless it
// is taken from listener.
func (n *natives) connected(local, remote string, listener int) (client, accepted int) {
	n.t.Helper()
	client, accepted = n.bound(unix.SOCK_STREAM, local), -1
	n.must(unix.Connect(client, point(remote)))
	if listener >= 0 {
		var err error
		accepted, _, err = unix.Accept4(listener, unix.SOCK_CLOEXEC)
		n.must(err)
		n.t.Cleanup(func() { unix.Close(accepted) })
	}
	return client, accepted
}

// tell describes a socket to the server, from what the socket itself tells.
func (n *natives) tell(fd int, state uint8, change func(*Socket)) {
	n.t.Helper()
	number := func(level, option int) uint32 {
		v, err := unix.GetsockoptInt(fd, level, option)
		n.must(err)
		return uint32(v)
	}
	var st unix.Stat_t
	n.must(unix.Fstat(fd, &st))
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
	n.must(err)
	local, err := unix.Getsockname(fd)
	n.must(err)
	s := Socket{
		Family: uint8(number(unix.SOL_SOCKET, unix.SO_DOMAIN)), Protocol: uint8(number(unix.SOL_SOCKET, unix.SO_PROTOCOL)),
		State: state, Local: addrPort(local), Cookie: cookie, Inode: uint32(st.Ino), UID: st.Uid,
		ReceiveBuffer: number(unix.SOL_SOCKET, unix.SO_RCVBUF), SendBuffer: number(unix.SOL_SOCKET, unix.SO_SNDBUF),
		TOS: uint8(number(unix.SOL_IP, unix.IP_TOS)), Options: OptionMulticastLoop, Priority: number(unix.SOL_SOCKET, unix.SO_PRIORITY),
	}
	if remote, err := unix.Getpeername(fd); err == nil {
		s.Remote = addrPort(remote)
	}
	if s.Family == unix.AF_INET {
		s.Options |= OptionMulticastAll
	} else {
		s.TrafficClass, s.V6Only = uint8(number(unix.SOL_IPV6, unix.IPV6_TCLASS)), number(unix.SOL_IPV6, unix.IPV6_V6ONLY) != 0
	}
	if s.Protocol == unix.IPPROTO_TCP {
		s.Options |= OptionConnection
		s.TCPInfo = make([]byte, 280)
		s.Congestion, err = unix.GetsockoptString(fd, unix.SOL_TCP, unix.TCP_CONGESTION)
		n.must(err)
	}
	if change != nil {
		change(&s)
	}
	if s.Protocol == unix.IPPROTO_TCP {
		n.tcp = append(n.tcp, s)
	} else {
		n.udp = append(n.udp, s)
	}
}

// lost describes a connection that nobody has a descriptor of any longer.
func (n *natives) lost(family, state uint8, local, remote string) {
	s := Socket{Family: family, Protocol: unix.IPPROTO_TCP, State: state,
		Local: netip.MustParseAddrPort(local), Remote: netip.MustParseAddrPort(remote)}
	n.tcp = append(n.tcp, s)
}

// stateLimit is how long the kernel may take to bring loopback connections to
// their states: microseconds, on a busy machine a bit more.
const stateLimit = 10 * time.Second

// reaches waits until a TCP socket is in a state.
func (n *natives) reaches(fd int, state uint8) {
	n.t.Helper()
	for deadline := time.Now().Add(stateLimit); ; {
		info, err := unix.GetsockoptTCPInfo(fd, unix.SOL_TCP, unix.TCP_INFO)
		n.must(err)
		if info.State == state {
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("state %d, want %d", info.State, state)
		}
	}
}

// States that only the test has (<net/tcp_states.h>).
const (
	stateSynSent   = 2
	stateFinWait2  = 5
	stateCloseWait = 8
)

// openSockets makes sockets in every state that can be held still.
func openSockets(t *testing.T) *natives {
	n := &natives{t: t}
	four := n.listener("127.0.0.1:8000", 5)
	dual := n.listener("[::]:8001", 7)
	only := n.bound(unix.SOCK_STREAM, "127.0.0.1:8006")
	six := n.socket(unix.AF_INET6, unix.SOCK_STREAM)
	n.must(unix.SetsockoptInt(six, unix.SOL_IPV6, unix.IPV6_V6ONLY, 1))
	n.must(unix.Bind(six, point("[::1]:8002")))
	n.must(unix.Listen(six, 1))
	client, accepted := n.connected("127.0.0.1:9000", "127.0.0.1:8000", four)
	_, err := unix.Write(client, []byte("hello"))
	n.must(err)
	mapped, mappedEnd := n.connected("127.0.0.1:9002", "127.0.0.1:8001", dual)
	native6, native6End := n.connected("[::1]:9003", "[::1]:8001", dual)
	shut, shutEnd := n.connected("127.0.0.1:9004", "127.0.0.1:8000", four)
	n.must(unix.Shutdown(shut, unix.SHUT_WR))
	n.reaches(shut, stateFinWait2)
	over, overEnd := n.connected("127.0.0.1:9005", "127.0.0.1:8000", four)
	n.must(unix.Shutdown(over, unix.SHUT_WR))
	n.reaches(overEnd, stateCloseWait)
	n.must(unix.Shutdown(overEnd, unix.SHUT_WR))
	n.reaches(over, stateClose) // its record in TIME-WAIT is another
	waiting, _ := n.connected("127.0.0.1:9001", "127.0.0.1:8000", -1)
	// Without a neighbour the handshake would fail after three seconds.
	line := strings.Fields("neigh add 10.0.2.9 lladdr 02:00:00:00:00:09 dev eth0")
	if out, err := exec.Command("ip", line...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s", line, err, out)
	}
	dialing := n.bound(unix.SOCK_STREAM, "10.0.2.100:9006")
	n.must(unix.SetNonblock(dialing, true))
	if err := unix.Connect(dialing, point("10.0.2.9:81")); err != unix.EINPROGRESS {
		t.Fatal(err)
	}

	n.tell(four, stateListen, func(s *Socket) { s.ReceiveQueue, s.SendQueue = 1, 5 })
	n.tell(dual, stateListen, func(s *Socket) { s.SendQueue = 7 })
	n.tell(six, stateListen, func(s *Socket) { s.SendQueue = 1 })
	n.tell(only, StateBoundInactive, nil)
	n.tell(client, stateEstablished, nil)
	n.tell(accepted, stateEstablished, func(s *Socket) { s.ReceiveQueue = 5 })
	n.tell(waiting, stateEstablished, nil)
	n.tell(mapped, stateEstablished, nil)
	n.tell(mappedEnd, stateEstablished, nil)
	n.tell(native6, stateEstablished, nil)
	n.tell(native6End, stateEstablished, nil)
	n.tell(shut, stateFinWait2, func(s *Socket) { s.Shutdown = 2 })
	n.tell(shutEnd, stateCloseWait, func(s *Socket) { s.ReceiveQueue, s.Shutdown = 1, 1 })
	n.tell(over, StateBoundInactive, func(s *Socket) {
		s.Remote, s.ReceiveQueue, s.Shutdown = netip.MustParseAddrPort("127.0.0.1:8000"), 1, 3
	})
	n.tell(dialing, stateSynSent, func(s *Socket) {
		s.Remote, s.SendQueue = netip.MustParseAddrPort("10.0.2.9:81"), 1
	})
	n.lost(unix.AF_INET, stateEstablished, "127.0.0.1:8000", "127.0.0.1:9001")
	n.lost(unix.AF_INET, stateTimeWait, "127.0.0.1:9005", "127.0.0.1:8000")
	n.openUDP()
	return n
}

func (n *natives) openUDP() {
	n.tell(n.bound(unix.SOCK_DGRAM, "127.0.0.1:5000"), stateClose, nil)
	n.tell(n.bound(unix.SOCK_DGRAM, "[::]:5001"), stateClose, nil)
	fd := n.bound(unix.SOCK_DGRAM, "127.0.0.1:5002")
	n.must(unix.Connect(fd, point("127.0.0.1:5000")))
	n.must(unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_TOS, 0x10))
	n.must(unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_RECVERR, 1))
	n.tell(fd, stateEstablished, func(s *Socket) { s.Options |= OptionRecvErr })
	fd = n.bound(unix.SOCK_DGRAM, "[::1]:5003")
	n.must(unix.Connect(fd, point("[::1]:5001")))
	n.must(unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_TCLASS, 0x20))
	n.tell(fd, stateEstablished, nil)
	fd = n.bound(unix.SOCK_DGRAM, "0.0.0.0:5004")
	n.must(unix.BindToDevice(fd, "lo"))
	n.tell(fd, stateClose, func(s *Socket) { s.Interface = 1 })
	n.socket(unix.AF_INET, unix.SOCK_DGRAM) // without a port: in no table
}

// diagRequest is a struct inet_diag_req_v2.
type diagRequest struct {
	family, protocol, extensions, raw uint8
	states                            uint32
	src, dst                          string
	iface                             uint32
	cookie                            uint64
}

const anyState = ^uint32(0)

func (r diagRequest) bytes() []byte {
	b := []byte{r.family, r.protocol, r.extensions, r.raw}
	b = binary.NativeEndian.AppendUint32(b, r.states)
	return append(b, r.id()...)
}

// id is a struct inet_diag_sockid.
func (r diagRequest) id() []byte {
	b := make([]byte, sizeofInetDiagSockid)
	for i, s := range []string{r.src, r.dst} {
		if s == "" {
			continue
		}
		a := netip.MustParseAddrPort(s)
		binary.BigEndian.PutUint16(b[2*i:], a.Port())
		copy(b[4+16*i:], a.Addr().AsSlice())
	}
	binary.NativeEndian.PutUint32(b[36:], r.iface)
	binary.NativeEndian.PutUint32(b[40:], uint32(r.cookie))
	binary.NativeEndian.PutUint32(b[44:], uint32(r.cookie>>32))
	return b
}
