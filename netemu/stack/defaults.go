package stack

import (
	"fmt"
	"time"

	"golang.org/x/time/rate"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

const (
	// Ephemeral ports, net.ipv4.ip_local_port_range of Linux.
	firstEphemeralPort = 32768
	lastEphemeralPort  = 60999

	// defaultTTL is net.ipv4.ip_default_ttl of Linux, and RFC 1700.
	defaultTTL = 64

	// tcpMinBuffer is the minimum of net.ipv4.tcp_rmem and tcp_wmem.
	tcpMinBuffer = 4096

	// tcpDefaultBuffer is what a TCP socket starts with. Linux starts at 16
	// KiB (send) and 128 KiB (receive) and grows quickly; netstack grows
	// slower, and at an MTU of 65520 a small buffer holds two segments. One
	// MiB is netstack's own default.
	tcpDefaultBuffer = 1 << 20

	// tcpMaxSend and tcpMaxReceive bound what buffers grow to by themselves.
	// Linux's defaults are 4 MiB (tcp_wmem) and 6 MiB (tcp_rmem), which hold 480
	// Mbit/s at a round trip of 100 ms; hosts on such ways are set to 16 MiB.
	// BenchmarkRoads: 1.5 to 2 times as much on a long way, nothing elsewhere.
	tcpMaxSend    = 16 << 20
	tcpMaxReceive = 16 << 20

	// hostBuffer is net.core.rmem_default and wmem_default, what a UDP or
	// raw socket starts with on Linux.
	hostBuffer = 212992

	// serviceBuffer is the same for a gateway's sockets: they stand for the
	// queues of a whole path, and a burst of 64 KiB datagrams must fit.
	serviceBuffer = 2 << 20

	// maxBuffer bounds SO_SNDBUF and SO_RCVBUF of UDP and raw sockets. Above
	// Linux's rmem_max of 208 KiB because QUIC servers ask for some MiB, and
	// net.core.rmem_max is raised to such values where they run.
	maxBuffer = 8 << 20
)

// tcpKnob is one stack-wide TCP option and why it has its value.
type tcpKnob struct {
	opt tcpip.SettableTransportProtocolOption
	why string
}

// tcpKnobs are all stack-wide TCP options, also those that are netstack's
// defaults today: defaults drift, and a test compares them.
func tcpKnobs() []tcpKnob {
	var (
		sack     = tcpip.TCPSACKEnabled(true)
		recovery = tcpip.TCPRACKLossDetection
		cc       = tcpip.CongestionControlOption("cubic")
		moderate = tcpip.TCPModerateReceiveBufferOption(true)
		nagle    = tcpip.TCPDelayEnabled(true)
		snd      = tcpip.TCPSendBufferSizeRangeOption{Min: tcpMinBuffer, Default: tcpDefaultBuffer, Max: tcpMaxSend}
		rcv      = tcpip.TCPReceiveBufferSizeRangeOption{Min: tcpMinBuffer, Default: tcpDefaultBuffer, Max: tcpMaxReceive}
		syn      = tcpip.TCPSynRetriesOption(6)
		minRTO   = tcpip.TCPMinRTOOption(200 * time.Millisecond)
		maxRTO   = tcpip.TCPMaxRTOOption(120 * time.Second)
		retries  = tcpip.TCPMaxRetriesOption(15)
		finWait  = tcpip.TCPLingerTimeoutOption(60 * time.Second)
		timeWait = tcpip.TCPTimeWaitTimeoutOption(60 * time.Second)
		reuse    = tcpip.TCPTimeWaitReuseLoopbackOnly
		cookies  = tcpip.TCPAlwaysUseSynCookies(false)
	)
	return []tcpKnob{
		{&sack, "net.ipv4.tcp_sack=1"},
		{&recovery, "net.ipv4.tcp_recovery=1; without RACK uploads are 5x slower under slight reordering, tailscale/tailscale#20893"},
		{&cc, "net.ipv4.tcp_congestion_control=cubic, what programs read back; tailscale is back on it since google/gvisor#14492, tailscale/tailscale#21303"},
		{&moderate, "net.ipv4.tcp_moderate_rcvbuf=1"},
		{&nagle, "Linux has Nagle's algorithm on until TCP_NODELAY"},
		{&snd, "net.ipv4.tcp_wmem, see the constants"},
		{&rcv, "net.ipv4.tcp_rmem, see the constants"},
		{&syn, "net.ipv4.tcp_syn_retries=6: 1+2+4+8+16+32+64 = 127 s to ETIMEDOUT"},
		{&minRTO, "TCP_RTO_MIN of Linux"},
		{&maxRTO, "TCP_RTO_MAX of Linux"},
		{&retries, "net.ipv4.tcp_retries2=15"},
		{&finWait, "net.ipv4.tcp_fin_timeout=60"},
		{&timeWait, "TCP_TIMEWAIT_LEN of Linux"},
		{&reuse, "net.ipv4.tcp_tw_reuse=2"},
		{&cookies, "net.ipv4.tcp_syncookies=1 means only when the backlog overflows"},
	}
}

// ipv6Options turn off what a link between two stacks of one process must not
// wait for: router solicitations, autoconfiguration and duplicate address
// detection. Addresses are static and usable at once.
func ipv6Options(isHost bool) ipv6.Options {
	return ipv6.Options{
		NDPConfigs: ipv6.NDPConfigurations{
			MaxRtrSolicitations: 0,
			HandleRAs:           ipv6.HandlingRAsDisabled,
		},
		DADConfigs: stack.DADConfigurations{DupAddrDetectTransmits: 0},
		MLD:        ipv6.MLDOptions{Enabled: isHost},
	}
}

// setDefaults sets every knob; buffer is the UDP and raw sockets' default.
func (s *Stack) setDefaults(buffer int) error {
	for _, k := range tcpKnobs() {
		if err := s.net.SetTransportProtocolOption(tcp.ProtocolNumber, k.opt); err != nil {
			return fmt.Errorf("tcp option %T: %s", k.opt, err)
		}
	}
	ttl := tcpip.DefaultTTLOption(defaultTTL)
	for _, p := range []tcpip.NetworkProtocolNumber{header.IPv4ProtocolNumber, header.IPv6ProtocolNumber} {
		if err := s.net.SetNetworkProtocolOption(p, &ttl); err != nil {
			return fmt.Errorf("default ttl: %s", err)
		}
	}
	if err := s.net.SetOption(tcpip.SendBufferSizeOption{Min: stack.MinBufferSize, Default: buffer, Max: maxBuffer}); err != nil {
		return fmt.Errorf("send buffer: %s", err)
	}
	if err := s.net.SetOption(tcpip.ReceiveBufferSizeOption{Min: stack.MinBufferSize, Default: buffer, Max: maxBuffer}); err != nil {
		return fmt.Errorf("receive buffer: %s", err)
	}
	if err := s.net.SetPortRange(firstEphemeralPort, lastEphemeralPort); err != nil {
		return fmt.Errorf("port range: %s", err)
	}
	// Linux limits ICMP errors to protect the network. Here they cross lo,
	// which Linux exempts (icmpv4_xrlim_allow), or a link in memory.
	s.net.SetICMPLimit(rate.Inf)
	return nil
}
