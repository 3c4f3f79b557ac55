package stack

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWayOfConnected: a connected socket notices that its interface has gone
// down, or its source address away.
func TestWayOfConnected(t *testing.T) {
	w := newWorld(t, GatewayConfig{UDP: func(*UDPRequest) {}})
	u := udpSocket(t, w.host, Inet4)
	ok(t, "connect", u.Connect(ap(far4, 9)))
	send := func() unix.Errno {
		_, en := u.Send([]byte("x"), nil, nil)
		return en
	}
	ok(t, "send", send())
	eth := w.host.Interfaces()[1]
	eth.Up = false
	ok(t, "down", w.host.SetInterface(eth))
	want(t, "while it is down", send(), unix.ENETUNREACH)
	eth.Up = true
	ok(t, "up", w.host.SetInterface(eth))
	ok(t, "up again", send())
	ok(t, "other address", w.host.SetAddresses(Ethernet, []Address{{Prefix: netip.MustParsePrefix("10.0.2.7/24")}}))
	want(t, "without its address", send(), unix.ENETUNREACH)
}

// TestRowsThatRefuse: the errors of fib_props, for connect(2) and for datagrams
// with and without an address; own addresses are not asked about.
func TestRowsThatRefuse(t *testing.T) {
	w := newWorld(t, GatewayConfig{UDP: func(*UDPRequest) {}})
	connected := udpSocket(t, w.host, Inet4)
	ok(t, "connect", connected.Connect(ap(far4, 9)))
	for typ, errno := range map[uint8]unix.Errno{
		unix.RTN_BLACKHOLE: unix.EINVAL, unix.RTN_UNREACHABLE: unix.EHOSTUNREACH, unix.RTN_PROHIBIT: unix.EACCES,
	} {
		routes := w.host.Routes()
		row := Route{Table: unix.RT_TABLE_MAIN, Type: typ}
		for _, dst := range []string{"203.0.113.0/24", "2001:db8::/32", "10.0.2.100/32"} {
			row.Dst = netip.MustParsePrefix(dst)
			w.host.SetRoutes(append(w.host.Routes(), row))
		}
		to, to6, self := ap(far4, 9), ap(far6, 9), ap(sandbox4, 9)
		want(t, "connect", tcpSocket(t, w.host, Inet4).Connect(to), errno)
		want(t, "connect, IPv6", tcpSocket(t, w.host, Inet6).Connect(to6), errno)
		_, en := udpSocket(t, w.host, Inet4).Send([]byte("x"), &to, nil)
		want(t, "send to", en, errno)
		_, en = connected.Send([]byte("x"), nil, nil)
		want(t, "send", en, errno)
		ok(t, "oneself", udpSocket(t, w.host, Inet4).Connect(self))
		w.host.SetRoutes(routes)
		_, en = connected.Send([]byte("x"), nil, nil)
		ok(t, "send again", en)
	}
}

// TestSmallMTU: netstack's MLD never meets an MTU below IPv6's, which it would
// not come back from; IPv4 keeps to it.
func TestSmallMTU(t *testing.T) {
	w := newWorld(t, GatewayConfig{UDP: func(*UDPRequest) {}})
	eth := w.host.Interfaces()[1]
	eth.MTU = 600
	ok(t, "set", w.host.SetInterface(eth))
	w.host.SetRoutes(w.host.Routes())
	ok(t, "join", udpSocket(t, w.host, Inet6).JoinGroup(Membership{Addr: netip.MustParseAddr("ff02::77"), NIC: Ethernet}))
	ok(t, "no addresses", w.host.SetAddresses(Ethernet, eth.Addrs[:1]))
	if got := w.host.Interfaces()[1].MTU; got != 600 {
		t.Errorf("MTU %d", got)
	}
	u := udpSocket(t, w.host, Inet4)
	ok(t, "mtu discover", u.SetInt(MTUDiscover, unix.IP_PMTUDISC_DO))
	to := ap(far4, 9)
	_, en := u.Send(make([]byte, 600-28), &to, nil)
	ok(t, "fits", en)
	_, en = u.Send(make([]byte, 600-27), &to, nil)
	want(t, "does not", en, unix.EMSGSIZE)
}
