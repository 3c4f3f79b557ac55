package stack

import (
	"net/netip"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// linuxSock is a socket of the kernel.
type linuxSock struct {
	t  *testing.T
	fd int
	f  Family
}

func nativeSocket(t *testing.T, stream bool, f Family) sock {
	domain, typ := unix.AF_INET, unix.SOCK_DGRAM
	if f == Inet6 {
		domain = unix.AF_INET6
	}
	if stream {
		typ = unix.SOCK_STREAM
	}
	fd, err := unix.Socket(domain, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Error(err)
	}
	return &linuxSock{t, fd, f}
}

func en(err error) unix.Errno {
	if err == nil {
		return 0
	}
	return err.(unix.Errno)
}

func (k *linuxSock) sockaddr(a Addr) unix.Sockaddr {
	ip := a.Addr()
	if k.f == Inet6 {
		if !ip.IsValid() {
			ip = netip.IPv6Unspecified()
		}
		return &unix.SockaddrInet6{Addr: ip.As16(), Port: int(a.Port()), ZoneId: uint32(a.NIC)}
	}
	if !ip.IsValid() {
		ip = netip.IPv4Unspecified()
	}
	return &unix.SockaddrInet4{Addr: ip.As4(), Port: int(a.Port())}
}

func toAddrPort(sa unix.Sockaddr) Addr {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return ap(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return ap(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return Addr{}
}

func (k *linuxSock) Bind(a Addr) unix.Errno    { return en(unix.Bind(k.fd, k.sockaddr(a))) }
func (k *linuxSock) Connect(a Addr) unix.Errno { return en(unix.Connect(k.fd, k.sockaddr(a))) }
func (k *linuxSock) Listen(n int) unix.Errno   { return en(unix.Listen(k.fd, n)) }

// Close may be called again, like an Endpoint's: the number is soon another's.
func (k *linuxSock) Close() {
	if k.fd >= 0 {
		unix.Close(k.fd)
	}
	k.fd = -1
}

func (k *linuxSock) Disconnect() unix.Errno {
	var sa [16]byte // AF_UNSPEC
	_, _, e := unix.Syscall(unix.SYS_CONNECT, uintptr(k.fd), ptr(sa[:]), uintptr(len(sa)))
	return e
}

func (k *linuxSock) AcceptSock() (sock, unix.Errno) {
	fd, _, err := unix.Accept4(k.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		return nil, en(err)
	}
	return &linuxSock{k.t, fd, k.f}, 0
}

func (k *linuxSock) Local() (Addr, unix.Errno) {
	sa, err := unix.Getsockname(k.fd)
	return toAddrPort(sa), en(err)
}

func (k *linuxSock) Remote() (Addr, unix.Errno) {
	sa, err := unix.Getpeername(k.fd)
	return toAddrPort(sa), en(err)
}

func (k *linuxSock) Shutdown(read, write bool) unix.Errno {
	how := unix.SHUT_RD
	switch {
	case read && write:
		how = unix.SHUT_RDWR
	case write:
		how = unix.SHUT_WR
	}
	return en(unix.Shutdown(k.fd, how))
}

func (k *linuxSock) SendTo(p []byte, to *Addr) (int, unix.Errno) {
	var sa unix.Sockaddr
	if to != nil {
		sa = k.sockaddr(*to)
	}
	n, err := unix.SendmsgN(k.fd, p, nil, sa, unix.MSG_NOSIGNAL)
	return n, en(err)
}

func (k *linuxSock) Recv(n int) (int, unix.Errno) {
	got, _, err := unix.Recvfrom(k.fd, make([]byte, n), 0)
	return max(got, 0), en(err)
}

func (k *linuxSock) Readiness(mask Events) Events {
	p := []unix.PollFd{{Fd: int32(k.fd), Events: int16(mask)}}
	unix.Poll(p, 0)
	return Events(p[0].Revents)
}

func (k *linuxSock) TakeError() unix.Errno {
	v, err := unix.GetsockoptInt(k.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return en(err)
	}
	return unix.Errno(v)
}

// nativeBool and nativeInt name the options that scenarios use.
var nativeBool = map[BoolOption][2]int{
	ReuseAddr: {unix.SOL_SOCKET, unix.SO_REUSEADDR},
	ReusePort: {unix.SOL_SOCKET, unix.SO_REUSEPORT},
	Broadcast: {unix.SOL_SOCKET, unix.SO_BROADCAST},
	V6Only:    {unix.SOL_IPV6, unix.IPV6_V6ONLY},
	RecvErr4:  {unix.SOL_IP, unix.IP_RECVERR},
	NoDelay:   {unix.SOL_TCP, unix.TCP_NODELAY},
}

var nativeInt = map[IntOption][2]int{
	SendBuffer:    {unix.SOL_SOCKET, unix.SO_SNDBUF},
	ReceiveBuffer: {unix.SOL_SOCKET, unix.SO_RCVBUF},
	TTL:           {unix.SOL_IP, unix.IP_TTL},
	HopLimit:      {unix.SOL_IPV6, unix.IPV6_UNICAST_HOPS},
	TOS:           {unix.SOL_IP, unix.IP_TOS},
	MulticastTTL:  {unix.SOL_IP, unix.IP_MULTICAST_TTL},
	MTUDiscover:   {unix.SOL_IP, unix.IP_MTU_DISCOVER},
	MaxSeg:        {unix.SOL_TCP, unix.TCP_MAXSEG},
	KeepIdle:      {unix.SOL_TCP, unix.TCP_KEEPIDLE},
	KeepInterval:  {unix.SOL_TCP, unix.TCP_KEEPINTVL},
	KeepCount:     {unix.SOL_TCP, unix.TCP_KEEPCNT},
	SynCount:      {unix.SOL_TCP, unix.TCP_SYNCNT},
	UserTimeout:   {unix.SOL_TCP, unix.TCP_USER_TIMEOUT},
}

func (k *linuxSock) SetBool(o BoolOption, v bool) unix.Errno {
	n, i := nativeBool[o], 0
	if v {
		i = 1
	}
	return en(unix.SetsockoptInt(k.fd, n[0], n[1], i))
}

func (k *linuxSock) SetInt(o IntOption, v int) unix.Errno {
	n := nativeInt[o]
	return en(unix.SetsockoptInt(k.fd, n[0], n[1], v))
}

func (k *linuxSock) GetInt(o IntOption) (int, unix.Errno) {
	n := nativeInt[o]
	v, err := unix.GetsockoptInt(k.fd, n[0], n[1])
	return v, en(err)
}

func ptr(b []byte) uintptr { return uintptr(unsafe.Pointer(&b[0])) }
