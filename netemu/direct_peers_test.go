package netemu

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestPeers has the kernel keep the list of peers, and tell it back.
func TestPeers(t *testing.T) {
	file, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(file)
	var o outside
	var want []netip.AddrPort
	for i := range maxPeers + 9 {
		peer := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), uint16(i+1))
		if i%3 == 0 {
			peer = netip.MustParseAddrPort(fmt.Sprintf("[2001:db8::%x]:53", i))
		}
		want = append(want, peer)
		for range 2 { // the second time changes nothing
			if errno := o.hear(file, peer); errno != 0 {
				t.Fatal(errno)
			}
		}
	}
	program, errno := programOf(file)
	if got := peersOf(program); errno != 0 || !slices.Equal(got, want[9:]) {
		t.Errorf("%v, errno %v; want %v", got, errno, want[9:])
	}
	if n := o.count.forgotten.Load(); n != 9 {
		t.Errorf("%d forgotten", n)
	}
}

// TestHears: a socket hears who it has sent to, by IPv4 and IPv6, and nobody else.
func TestHears(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		known, stranger := listen(t, host), listen(t, host)
		s, err := net.ListenUDP("udp", nil) // both versions
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		peer := known.LocalAddr().(*net.UDPAddr).AddrPort()
		raw, err := s.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var o outside
		var errno unix.Errno
		if err := raw.Control(func(fd uintptr) { errno = o.hear(int(fd), peer) }); err != nil || errno != 0 {
			t.Fatal(err, errno)
		}
		to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(peer.Addr(), s.LocalAddr().(*net.UDPAddr).AddrPort().Port()))
		for _, from := range []*net.UDPConn{stranger, known} {
			if _, err := from.WriteToUDP([]byte("x"), to); err != nil {
				t.Fatal(err)
			}
		}
		s.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, first, err := s.ReadFromUDPAddrPort(make([]byte, 9))
		if err != nil || plain(first) != peer {
			t.Errorf("%v, %v; want %v", first, err, peer)
		}
	}
}

func listen(t *testing.T, host string) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
