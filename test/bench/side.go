package main

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// side is one way to run a program: natively, under netbox or under a peer.
type side struct {
	name string
	// host is the host's loopback as the program sees it.
	host string
	// prefix comes before the program's command.
	prefix []string
	// supervisors are the beginnings of the names of the processes that carry the
	// network.
	supervisors []string
	// deb is the package, and peer says that it is not netbox.
	deb  string
	peer bool
	// relay: it is no network, but what carrying bytes costs by itself.
	relay bool
	// isolates: the program has a network of its own, as in netbox.
	isolates bool
	// tcpOnly and dynamic: what cannot be carried, and that a static program
	// cannot.
	tcpOnly, dynamic bool
	// aim is the column of the aims that is this side's.
	aim func(aims) float64
	// requests are for redis-benchmark, a millisecond of a spell; 0: requestsPerMs.
	requests int64
	// only are the tables that the side stands in, none: every one. A peer stands in
	// the main one.
	only []table
}

const native = "native"

var (
	netboxRun = []string{"NETBOX", "run", "--host-loopback"}
	netbox    = []string{"netbox"}
)

// pasta's namespace has the addresses of netbox's boxes.
func pasta(more ...string) []string {
	args := []string{"pasta", "-f", "-q", "--config-net", "--runas", "0", "-i", templateLink,
		"-a", "10.0.2.100", "-n", "24", "-g", "10.0.2.2", "-t", "none", "-u", "none"}
	return append(append(args, more...), "--")
}

var sides = []side{
	{name: native, host: "127.0.0.1"},
	{name: "netbox", host: "10.0.2.2", prefix: slices.Concat(netboxRun, []string{"--"}), supervisors: netbox,
		aim: func(a aims) float64 { return a.usual }},
	{name: "--uplink host", host: "10.0.2.2", prefix: slices.Concat(netboxRun, []string{"--uplink", "host", "--"}), supervisors: netbox,
		only: []table{mainTable, scaleTable}, aim: func(a aims) float64 { return a.host }},
	{name: "host, ptrace", host: "10.0.2.2", prefix: slices.Concat(netboxRun, []string{"--uplink", "host", "--engine", "ptrace", "--"}), supervisors: netbox,
		only: []table{mainTable}, aim: func(a aims) float64 { return a.hostPtrace }},
	{name: "--no-fast-path", host: "10.0.2.2", prefix: slices.Concat(netboxRun, []string{"--no-fast-path", "--"}), supervisors: netbox,
		only: []table{mainTable, scaleTable}, aim: func(a aims) float64 { return a.noFastPath }},
	{name: "--engine ptrace", host: "10.0.2.2", prefix: slices.Concat(netboxRun, []string{"--engine", "ptrace", "--"}), supervisors: netbox,
		aim: func(a aims) float64 { return a.ptrace }},
	{name: "--debuggable", host: "10.0.2.2", prefix: slices.Concat(netboxRun, []string{"--debuggable", "--"}), supervisors: netbox,
		only: []table{callTable}},

	{name: "bare relay", host: "127.0.0.1", prefix: []string{"env", "RELAYED=1"}, peer: true, relay: true},
	{name: "slirp4netns", host: "10.0.2.2", prefix: []string{"DATA/in-slirp.sh"},
		supervisors: []string{"slirp4netns"}, deb: "slirp4netns", peer: true, isolates: true},
	{name: "pasta, tap", host: "10.0.2.2", prefix: pasta("-T", "none", "-U", "none"),
		supervisors: []string{"pasta", "passt"}, deb: "passt", peer: true, isolates: true},
	{name: "pasta, splice", host: "127.0.0.1", prefix: pasta("-T", "PORTS", "-U", "PORTS"),
		supervisors: []string{"pasta", "passt"}, deb: "passt", peer: true, isolates: true},
	// The address is what `runsc do` gives its end of the link; it runs itself
	// again as /proc/self/exe.
	{name: "runsc", host: "192.168.10.3", prefix: []string{"DATA/in-runsc.sh"},
		supervisors: []string{"runsc", "exe"}, deb: "runsc", peer: true, isolates: true, requests: 8},
	{name: "proxychains4", host: "127.0.0.1", prefix: []string{"proxychains4", "-q", "-f", "PROXIES"},
		deb: "proxychains4", peer: true, tcpOnly: true, dynamic: true},
	{name: "strace", host: "127.0.0.1", prefix: []string{"strace", "-f", "--seccomp-bpf", "-e", "trace=network", "-o", "/dev/null"},
		supervisors: []string{"strace"}, deb: "strace", peer: true},
}

// needs are the programs without which a peer is missing.
var needs = map[string][]string{
	"slirp4netns":  {"slirp4netns"},
	"passt":        {"pasta"},
	"runsc":        {"runsc", "iptables", "ip"},
	"proxychains4": {"proxychains4"},
	"strace":       {"strace"},
}

// refused says why netbox does not run anything so, "" if it does: there are machines,
// and versions, without one of the columns.
func (b *bench) refused(s side) string {
	if s.peer || s.name == native {
		return ""
	}
	words := b.words(s, pin{}, []string{"/bin/true"})
	ctx, cancel := context.WithTimeout(context.Background(), runTimeout)
	defer cancel()
	text, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput()
	if err == nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return fmt.Sprintf("%v: %s", err, lines[len(lines)-1])
}

// missing names the first of the programs that is not installed.
func missing(programs []string) string {
	for _, p := range programs {
		_, err := exec.LookPath(p)
		if err != nil {
			return p
		}
	}
	return ""
}

// can says whether the row means anything for the side.
func (s side) can(r row) bool {
	switch {
	case s.only != nil && !slices.Contains(s.only, r.table):
		return false
	case !s.peer:
		return s.name != native || r.unit != bytesHeld && r.unit != things
	case r.unit == bytesHeld && s.supervisors == nil:
		return false
	}
	return r.peers && !(r.udp && s.tcpOnly) && (r.relay || !s.relay)
}
