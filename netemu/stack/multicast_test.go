package stack

import (
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netbox/netemu/link"
)

// neighbours are two hosts on one link.
func neighbours(t *testing.T) (a, b *Stack) {
	t.Helper()
	one, two := link.New(0)
	var hosts [2]*Stack
	for i, end := range []link.Endpoint{one, two} {
		s, err := NewHost(HostConfig{
			Link: end,
			Addrs: []netip.Prefix{
				netip.PrefixFrom([]netip.Addr{sandbox4, gateway4}[i], 24), netip.PrefixFrom([]netip.Addr{sandbox6, gateway6}[i], 64),
			},
			Gateways: []netip.Addr{netip.MustParseAddr("10.0.2.99"), netip.MustParseAddr("fd00:2::99")},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		hosts[i] = s
	}
	return hosts[0], hosts[1]
}

// TestGroupsBetweenHosts: a datagram to a group reaches the members on the
// link, those on the sender's own host, and nobody else.
func TestGroupsBetweenHosts(t *testing.T) {
	for _, group := range []netip.Addr{netip.MustParseAddr("239.1.2.3"), netip.MustParseAddr("ff12::77")} {
		a, b := neighbours(t)
		family := Inet4
		if group.Is6() {
			family = Inet6
		}
		all := []BoolOption{MulticastAll4, MulticastAll6}[family]
		sockets := map[string]*Endpoint{}
		for name, s := range map[string]*Stack{"near member": a, "far member": b, "far stranger": b} {
			e := udpSocket(t, s, family)
			ok(t, name, e.SetBool(ReuseAddr, true))
			ok(t, name, e.Bind(ap(netip.Addr{}, 5000)))
			if name != "far stranger" {
				ok(t, name, e.JoinGroup(Membership{Addr: group}))
			}
			ok(t, name, e.SetBool(all, name != "far stranger"))
			sockets[name] = e
		}
		sender := udpSocket(t, a, family)
		to := ap(group, 5000)
		_, en := sender.Send([]byte("all"), &to, nil)
		ok(t, "send", en)
		for _, name := range []string{"near member", "far member"} {
			if d, got := receive(t, sockets[name]); string(got) != "all" || d.PktInfo.NIC != Ethernet {
				t.Errorf("%v, %s: %q %+v", group, name, got, d)
			}
		}
		ok(t, "loop", sender.SetBool(MulticastLoop, false))
		_, en = sender.Send([]byte("far only"), &to, nil)
		ok(t, "send", en)
		if _, got := receive(t, sockets["far member"]); string(got) != "far only" {
			t.Errorf("%v, far member: %q", group, got)
		}
		for _, name := range []string{"near member", "far stranger"} {
			_, en := sockets[name].Receive(make([]byte, 10), false)
			want(t, name, en, unix.EAGAIN)
		}
	}
}

// TestSourceFilters: the errors of ip_mc_source, and whose datagrams come
// through.
func TestSourceFilters(t *testing.T) {
	a, b := neighbours(t)
	g := Membership{Addr: netip.MustParseAddr("239.1.2.3")}
	r := udpSocket(t, b, Inet4)
	stranger := netip.MustParseAddr("10.0.2.55")
	want(t, "block before joining", r.ChangeSource(g, stranger, FilterExclude, true), unix.EINVAL)
	ok(t, "join for a source", r.JoinSource(g, stranger))
	want(t, "the same source", r.JoinSource(g, stranger), unix.EADDRNOTAVAIL)
	want(t, "block in a list to include", r.ChangeSource(g, stranger, FilterExclude, true), unix.EINVAL)
	want(t, "leave another source", r.ChangeSource(g, gateway4, FilterInclude, false), unix.EADDRNOTAVAIL)
	// witness gets what any member on its host gets.
	witness := udpSocket(t, b, Inet4)
	for _, e := range []*Endpoint{r, witness} {
		ok(t, "reuse", e.SetBool(ReuseAddr, true))
		ok(t, "bind", e.Bind(ap(netip.Addr{}, 5000)))
	}
	sender := udpSocket(t, a, Inet4)
	to := ap(g.Addr, 5000)
	said := func(what string) {
		t.Helper()
		_, en := sender.Send([]byte(what), &to, nil)
		ok(t, what, en)
		if _, got := receive(t, witness); string(got) != what {
			t.Errorf("witness: %q", got)
		}
	}
	said("not of the source")
	_, en := r.Receive(make([]byte, 10), false)
	want(t, "of a stranger", en, unix.EAGAIN)
	ok(t, "the sender too", r.JoinSource(g, sandbox4))
	said("of the source")
	if _, got := receive(t, r); string(got) != "of the source" {
		t.Errorf("%q", got)
	}
	ok(t, "exclude", r.SetFilter(g, FilterExclude, []netip.Addr{stranger}))
	if mode, list, en := r.Filter(g); mode != FilterExclude || !slices.Equal(list, []netip.Addr{stranger}) || en != 0 {
		t.Errorf("filter %v %v %v", mode, list, en)
	}
	said("not excluded")
	if _, got := receive(t, r); string(got) != "not excluded" {
		t.Errorf("%q", got)
	}
	want(t, "too many", r.SetFilter(g, FilterInclude, make([]netip.Addr, MaxSources4+1)), unix.ENOBUFS)
	ok(t, "the last source", r.SetFilter(g, FilterInclude, nil))
	want(t, "has left", r.LeaveGroup(g), unix.EADDRNOTAVAIL)
}

// TestGroupBounds: twenty groups a socket, as net.ipv4.igmp_max_memberships.
func TestGroupBounds(t *testing.T) {
	a, _ := neighbours(t)
	e := udpSocket(t, a, Inet4)
	for i := range maxGroups4 {
		ok(t, "join", e.JoinGroup(Membership{Addr: netip.AddrFrom4([4]byte{239, 0, 0, byte(i)})}))
	}
	want(t, "one more", e.JoinGroup(Membership{Addr: netip.MustParseAddr("239.1.1.1")}), unix.ENOBUFS)
	lonely := newLoop(t)
	want(t, "no route", udpSocket(t, lonely, Inet4).JoinGroup(Membership{Addr: netip.MustParseAddr("239.1.1.1")}), unix.ENODEV)
}

// wire records what reaches an end of a link.
type wire struct {
	mu      sync.Mutex
	packets [][]byte
}

func (w *wire) DeliverNetworkPacket(_ tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	b := pkt.ToBuffer()
	defer b.Release()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.packets = append(w.packets, b.Flatten())
}

func (w *wire) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}

// has waits for a packet that matches.
func (w *wire) has(t *testing.T, what string, matches func([]byte) bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		w.mu.Lock()
		found := slices.ContainsFunc(w.packets, matches)
		w.mu.Unlock()
		if found {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %s among %x", what, w.packets)
		}
	}
}

// TestReports: a host tells the link what it joins and leaves, by IGMPv3 (RFC
// 3376 section 4.2) and MLDv2 (RFC 3810 section 5.2).
func TestReports(t *testing.T) {
	near, far := link.New(0)
	w := &wire{}
	far.Attach(w)
	s, err := NewHost(hostConfig(near))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); far.Close(); far.Wait() })
	const toExclude, toInclude = 4, 3
	igmp := func(group netip.Addr, record byte) func([]byte) bool {
		return func(b []byte) bool { // a header with the router alert option of 24 bytes, one record
			return len(b) == 24+16 && b[9] == unix.IPPROTO_IGMP && b[8] == 1 && netip.AddrFrom4([4]byte(b[16:])) == netip.MustParseAddr("224.0.0.22") &&
				b[24] == 0x22 && b[32] == record && netip.AddrFrom4([4]byte(b[36:])) == group
		}
	}
	mld := func(group netip.Addr, record byte) func([]byte) bool {
		return func(b []byte) bool { // a hop-by-hop header of 8 bytes, one record
			return len(b) == 40+8+28 && b[6] == 0 && b[40] == unix.IPPROTO_ICMPV6 && netip.AddrFrom16([16]byte(b[8:])).IsLinkLocalUnicast() &&
				b[48] == 143 && b[56] == record && netip.AddrFrom16([16]byte(b[60:])) == group
		}
	}
	four, six := netip.MustParseAddr("239.1.2.3"), netip.MustParseAddr("ff12::77")
	u4, u6 := udpSocket(t, s, Inet4), udpSocket(t, s, Inet6)
	ok(t, "join", u4.JoinGroup(Membership{Addr: four}))
	ok(t, "join", u6.JoinGroup(Membership{Addr: six}))
	w.has(t, "IGMPv3 join", igmp(four, toExclude))
	w.has(t, "MLDv2 join", mld(six, toExclude))
	u4.Close() // leaves
	ok(t, "leave", u6.LeaveGroup(Membership{Addr: six}))
	w.has(t, "IGMPv3 leave", igmp(four, toInclude))
	w.has(t, "MLDv2 leave", mld(six, toInclude))
}
