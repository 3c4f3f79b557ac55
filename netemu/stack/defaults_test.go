package stack

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"golang.org/x/sys/unix"

	"netbox/netemu/link"
)

// TestDefaults reads back what the stack uses, not what defaults.go says.
func TestDefaults(t *testing.T) {
	s := newLoop(t)
	read := func(o tcpip.GettableTransportProtocolOption) any {
		t.Helper()
		if err := s.net.TransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			t.Fatalf("%T: %v", o, err)
		}
		return reflect.ValueOf(o).Elem().Interface()
	}
	for _, c := range []struct {
		o    tcpip.GettableTransportProtocolOption
		want any
	}{
		{new(tcpip.TCPSACKEnabled), tcpip.TCPSACKEnabled(true)},
		{new(tcpip.TCPRecovery), tcpip.TCPRACKLossDetection},
		{new(tcpip.CongestionControlOption), tcpip.CongestionControlOption("cubic")},
		{new(tcpip.TCPAvailableCongestionControlOption), tcpip.TCPAvailableCongestionControlOption("reno cubic")},
		{new(tcpip.TCPModerateReceiveBufferOption), tcpip.TCPModerateReceiveBufferOption(true)},
		{new(tcpip.TCPDelayEnabled), tcpip.TCPDelayEnabled(true)},
		{new(tcpip.TCPSendBufferSizeRangeOption), tcpip.TCPSendBufferSizeRangeOption{Min: 4096, Default: 1 << 20, Max: 16 << 20}},
		{new(tcpip.TCPReceiveBufferSizeRangeOption), tcpip.TCPReceiveBufferSizeRangeOption{Min: 4096, Default: 1 << 20, Max: 16 << 20}},
		{new(tcpip.TCPSynRetriesOption), tcpip.TCPSynRetriesOption(6)},
		{new(tcpip.TCPMinRTOOption), tcpip.TCPMinRTOOption(200 * time.Millisecond)},
		{new(tcpip.TCPMaxRTOOption), tcpip.TCPMaxRTOOption(2 * time.Minute)},
		{new(tcpip.TCPMaxRetriesOption), tcpip.TCPMaxRetriesOption(15)},
		{new(tcpip.TCPLingerTimeoutOption), tcpip.TCPLingerTimeoutOption(time.Minute)},
		{new(tcpip.TCPTimeWaitTimeoutOption), tcpip.TCPTimeWaitTimeoutOption(time.Minute)},
		{new(tcpip.TCPTimeWaitReuseOption), tcpip.TCPTimeWaitReuseLoopbackOnly},
		{new(tcpip.TCPAlwaysUseSynCookies), tcpip.TCPAlwaysUseSynCookies(false)},
	} {
		if got := read(c.o); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%T is %v, want %v", c.o, got, c.want)
		}
	}
	for _, k := range tcpKnobs() {
		if k.why == "" {
			t.Errorf("%T has no reason", k.opt)
		}
	}
	for _, p := range []tcpip.NetworkProtocolNumber{header.IPv4ProtocolNumber, header.IPv6ProtocolNumber} {
		var ttl tcpip.DefaultTTLOption
		if err := s.net.NetworkProtocolOption(p, &ttl); err != nil || ttl != 64 {
			t.Errorf("TTL of %d is %d, %v", p, ttl, err)
		}
	}
	if a, b := s.net.PortRange(); a != 32768 || b != 60999 {
		t.Errorf("ephemeral ports %d–%d", a, b)
	}
	e := tcpSocket(t, s, Inet4)
	for o, want := range map[IntOption]int{KeepIdle: 7200, KeepInterval: 75, KeepCount: 9, TTL: 64} {
		if got, en := e.GetInt(o); got != want || en != 0 {
			t.Errorf("option %d is %d, %v", o, got, en)
		}
	}
	for o, want := range map[BoolOption]bool{NoDelay: false, KeepAlive: false, QuickAck: true} {
		if got, en := e.GetBool(o); got != want || en != 0 {
			t.Errorf("option %d is %v, %v", o, got, en)
		}
	}
	if cc := e.Congestion(); cc != "cubic" {
		t.Errorf("congestion control %q", cc)
	}
	if on, _ := e.GetLinger(); on {
		t.Error("linger is on")
	}
}

func TestInterfacesAndRoutes(t *testing.T) {
	a, b := link.New(1500)
	s, err := NewHost(hostConfig(a))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	defer s.Close()
	is := s.Interfaces()
	if len(is) != 2 {
		t.Fatalf("interfaces %+v", is)
	}
	eth := is[1]
	eth.Stats = InterfaceStats{}
	wantEth := Interface{
		Index: 2, Name: "eth0", Up: true, Flags: unix.IFF_BROADCAST | unix.IFF_MULTICAST, MTU: 1500, TxQueueLen: 1000,
		HardwareAddr: [6]byte{2, 0, 0x0a, 0, 2, 0x64},
		Addrs: []Address{
			permanent(netip.PrefixFrom(sandbox4, 24), unix.RT_SCOPE_UNIVERSE, 0),
			permanent(netip.PrefixFrom(sandbox6, 64), unix.RT_SCOPE_UNIVERSE, 0),
			permanent(netip.MustParsePrefix("fe80::aff:fe00:264/64"), unix.RT_SCOPE_LINK, 3),
		},
	}
	wantEth.Addrs[0].Label, wantEth.Addrs[0].Broadcast = "eth0", netip.MustParseAddr("10.0.2.255")
	if !reflect.DeepEqual(eth, wantEth) {
		t.Errorf("eth0 is %+v, want %+v", eth, wantEth)
	}
	var got []string
	for _, r := range s.Routes() {
		got = append(got, fmt.Sprintf("%d %d %s %v %d %d", r.Table, r.Type, r.Dst, r.Gateway, r.NIC, r.Metric))
	}
	want := []string{
		"255 2 127.0.0.1/32 invalid IP 1 0", "255 2 127.0.0.0/8 invalid IP 1 0", "255 3 127.255.255.255/32 invalid IP 1 0",
		"255 2 ::1/128 invalid IP 1 0",
		"255 2 10.0.2.100/32 invalid IP 2 0", "255 3 10.0.2.255/32 invalid IP 2 0", "254 1 10.0.2.0/24 invalid IP 2 0",
		"254 1 fd00:2::/64 invalid IP 2 256", "255 2 fd00:2::64/128 invalid IP 2 0",
		"254 1 fe80::/64 invalid IP 2 256", "255 2 fe80::aff:fe00:264/128 invalid IP 2 0", "255 5 ff00::/8 invalid IP 2 256",
		"254 1 0.0.0.0/0 10.0.2.2 2 0", "254 1 ::/0 fd00:2::2 2 1024",
	}
	if !slices.Equal(got, want) {
		t.Errorf("routes %q, want %q", got, want)
	}
	c, d := link.New(0)
	d.Close()
	cfg := hostConfig(c)
	cfg.Gateways = []netip.Addr{far4}
	if s, err := NewHost(cfg); err == nil {
		s.Close()
		t.Error("a gateway that is not on the link")
	}
}

func TestInterfaceCounters(t *testing.T) {
	w := newWorld(t, GatewayConfig{})
	r := rawSocket(t, w.host, Inet4, 1)
	to := ap(gateway4, 0)
	_, en := r.Send(echoRequest(true, 1, 1, make([]byte, 100)), &to, nil)
	ok(t, "send", en)
	receiveICMP(t, r, 0)
	// Reports of groups are sent besides.
	for _, i := range w.host.Interfaces() {
		if i.Index == Ethernet && (i.Stats.TxPackets < 1 || i.Stats.RxPackets != 1 || i.Stats.TxBytes < 128 || i.Stats.RxBytes != 128) {
			t.Errorf("eth0's counters %+v", i.Stats)
		}
	}
}
