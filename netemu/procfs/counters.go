package procfs

import (
	_ "embed"
	"strings"

	"netbox/netemu/stack"
)

// counterNames are the names in the files of counters of Linux 6.18, in their
// order: lines of a group and its names.
//
//go:embed counters.txt
var counterNames string

// constants are the values that are no counters, and that of nothing counted
// is not 0.
var constants = map[string]string{
	"IpForwarding": "2", "IpDefaultTTL": "64",
	"TcpRtoAlgorithm": "1", "TcpRtoMin": "200", "TcpRtoMax": "120000", "TcpMaxConn": "-1",
}

// groups calls use with each group of a file and its names.
func groups(file string, use func(group string, names []string)) {
	for line := range strings.Lines(counterNames) {
		name, rest, _ := strings.Cut(line, ": ")
		if of, group, ok := strings.Cut(name, "/"); ok && of == file {
			use(group, strings.Fields(rest))
		}
	}
}

// table writes a file of two lines a group, as /proc/net/snmp
// (snmp_seq_show, net/ipv4/proc.c).
func counterTable(name string, s Source) []byte {
	values := s.Counters()
	var f file
	groups(name, func(group string, names []string) {
		f.line("%s: %s", group, strings.Join(names, " "))
		row := make([]string, len(names))
		for i, n := range names {
			row[i] = value(values, group+n)
		}
		f.line("%s: %s", group, strings.Join(row, " "))
	})
	return f.Bytes()
}

func value(values map[string]uint64, name string) string {
	if c, ok := constants[name]; ok {
		return c
	}
	return utoa(values[name])
}

func snmp(s Source) []byte    { return counterTable("snmp", s) }
func netstat(s Source) []byte { return counterTable("netstat", s) }

// snmp6 is /proc/net/snmp6 (snmp6_seq_show, net/ipv6/proc.c).
func snmp6(s Source) []byte {
	values := s.Counters()
	var f file
	groups("snmp6", func(group string, names []string) {
		for _, n := range names {
			f.line("%-32s\t%s", group+n, value(values, group+n))
		}
	})
	return f.Bytes()
}

// deviceSNMP6 is /proc/net/dev_snmp6/IF: netstack does not count by interface.
func deviceSNMP6(i stack.Interface) []byte {
	var f file
	f.line("%-32s\t%d", "ifIndex", i.Index)
	groups("snmp6", func(group string, names []string) {
		if group != "Ip6" && group != "Icmp6" {
			return
		}
		for _, n := range names {
			if n != "OutRateLimitHost" {
				f.line("%-32s\t%d", group+n, 0)
			}
		}
	})
	return f.Bytes()
}
