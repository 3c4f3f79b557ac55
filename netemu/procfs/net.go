package procfs

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// netFiles are the files of /proc/net, all of mode 0444. Those of modules
// (netfilter, IPsec, wireless) and of multicast routing are missing, as from a
// kernel without them.
var netFiles = map[string]func(Source) []byte{
	"tcp":      sockets(tcpTable4),
	"tcp6":     sockets(tcpTable6),
	"udp":      sockets(datagramTable{table: unix.IPPROTO_UDP, family: unix.AF_INET, width: 5, padded: true}),
	"udp6":     sockets(datagramTable{table: unix.IPPROTO_UDP, family: unix.AF_INET6, width: 5}),
	"udplite":  sockets(datagramTable{family: unix.AF_INET, width: 5, padded: true}),
	"udplite6": sockets(datagramTable{family: unix.AF_INET6, width: 5}),
	"raw":      sockets(datagramTable{table: unix.IPPROTO_RAW, family: unix.AF_INET, width: 4}),
	"raw6":     sockets(datagramTable{table: unix.IPPROTO_RAW, family: unix.AF_INET6, width: 5}),
	"icmp":     sockets(datagramTable{table: unix.IPPROTO_ICMP, family: unix.AF_INET, width: 5, padded: true, wide: true}),
	"icmp6":    sockets(datagramTable{table: unix.IPPROTO_ICMPV6, family: unix.AF_INET6, width: 5}),
	"netlink":  netlinkFile,

	"dev":       devFile,
	"dev_mcast": devMulticast,
	"if_inet6":  addresses6,
	"route":     routes4,
	"rt_cache":  headline(padded("Iface\tDestination\tGateway \tFlags\t\tRefCnt\tUse\tMetric\tSource\t\tMTU\tWindow\tIRTT\tTOS\tHHRef\tHHUptod\tSpecDst", 127)),
	"rt_acct":   func(Source) []byte { return make([]byte, realms*sizeofRealm) },

	"ipv6_route": routes6,
	"rt6_stats":  routeStats6,
	"igmp":       igmp,
	"igmp6":      igmp6,
	"mcfilter":   headline("Idx Device        MCA        SRC    INC    EXC"),
	"mcfilter6":  headline("Idx Device                Multicast Address                   Source Address    INC    EXC"),

	"sockstat":     sockstat4,
	"sockstat6":    sockstat6,
	"snmp":         snmp,
	"snmp6":        snmp6,
	"netstat":      netstat,
	"protocols":    protocols,
	"softnet_stat": softnet,

	"anycast6":      headline(""),
	"arp":           headline("IP address       HW type     Flags       HW address            Mask     Device"),
	"ip6_flowlabel": headline("Label S Owner  Users  Linger Expires  Dst                              Opt"),
	"packet":        headline("sk               RefCnt Type Proto  Iface R Rmem   User   Inode"),
	"unix":          headline("Num       RefCount Protocol Flags    Type St Inode Path"),
	// Ticks of the packet scheduler's clock (psched_show, net/sched/sch_api.c).
	"psched": headline("000003e8 00000040 000f4240 3b9aca00"),
	"ptype":  headline("Type Device      Function\n0800          ip_rcv\n0806          arp_rcv\n86dd          ipv6_rcv"),
}

// /proc/net/rt_acct is an array of struct ip_rt_acct, four counters, for 256
// realms (<net/route.h>).
const (
	realms      = 256
	sizeofRealm = 16
)

// snmpDir has the IPv6 counters of each interface.
const snmpDir = "dev_snmp6/"

func netNames(s Source) []string {
	names := slices.Collect(maps.Keys(netFiles))
	for _, i := range s.Interfaces() {
		names = append(names, snmpDir+i.Name)
	}
	return names
}

func netNode(s Source, name string) (Node, bool) {
	if device, ok := strings.CutPrefix(name, snmpDir); ok {
		i, ok := byName(s, device)
		return Node{Mode: 0o444, read: func(Source) []byte { return deviceSNMP6(i) }}, ok
	}
	read, ok := netFiles[name]
	return Node{Mode: 0o444, read: read}, ok
}

// headline is a file that has only its first lines: a table without rows. An
// empty one has none at all.
func headline(text string) func(Source) []byte {
	if text != "" {
		text += "\n"
	}
	return func(Source) []byte { return []byte(text) }
}

// padded is text with spaces behind it up to width, as seq_pad has it.
func padded(text string, width int) string { return fmt.Sprintf("%-*s", width, text) }

// file collects the lines of a file.
type file struct{ bytes.Buffer }

func (f *file) line(format string, args ...any) {
	fmt.Fprintf(f, format, args...)
	f.WriteByte('\n')
}
