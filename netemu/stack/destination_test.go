package stack

import (
	"net/netip"
	"testing"
)

// TestConnectToAny: an AF_INET6 datagram socket that connects to 0.0.0.0 by a
// sockaddr_in (__ip6_datagram_connect allows it) is at IPv4's loopback. glibc's
// getaddrinfo asserts it when it sorts the results for a passive socket.
func TestConnectToAny(t *testing.T) {
	s, err := NewHost(HostConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for to, want := range map[string]string{
		"0.0.0.0:80":          "::ffff:127.0.0.1",
		"[::ffff:0.0.0.0]:80": "::ffff:127.0.0.1",
		"[::]:80":             "::1",
	} {
		e, errno := s.NewUDP(Inet6)
		if errno != 0 {
			t.Fatal(errno)
		}
		if errno = e.Connect(Addr{AddrPort: netip.MustParseAddrPort(to)}); errno != 0 {
			t.Errorf("connect to %s: %v", to, errno)
		}
		if local, errno := e.Local(); errno != 0 || local.Addr() != netip.MustParseAddr(want) {
			t.Errorf("connected to %s: local address %v, %v; want %s", to, local, errno, want)
		}
		e.Close()
	}
}
