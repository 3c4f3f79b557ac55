package netlink

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/netemu/netlink/netnstest"
)

// diagSizes are the sizes of the fixed headers of NETLINK_SOCK_DIAG.
var diagSizes = map[uint16]int{
	unix.SOCK_DIAG_BY_FAMILY: sizeofInetDiagMsg, tcpdiagGetsock: sizeofInetDiagMsg,
	unix.NLMSG_DONE: 4, unix.NLMSG_ERROR: 4,
}

// endOfDiag is a request that is answered behind all that an earlier one has
// brought: a type that is not.
var endOfDiag = func() []byte {
	b := message(17, unix.NLM_F_REQUEST, make([]byte, 4))
	b[8] = 99
	return b
}()

// diagQuestions are what ss asks, and what it could.
func diagQuestions() []question {
	var all []question
	add := func(name string, b []byte) { all = append(all, question{name: name, request: b}) }
	by := func(flags int, r diagRequest, attrs ...[]byte) []byte {
		return message(unix.SOCK_DIAG_BY_FAMILY, flags, append([][]byte{r.bytes()}, attrs...)...)
	}
	const in, in6, tcp, udp = unix.AF_INET, unix.AF_INET6, unix.IPPROTO_TCP, unix.IPPROTO_UDP
	for _, family := range []uint8{in, in6} {
		for _, protocol := range []uint8{tcp, udp} {
			name := map[uint8]string{in: "IPv4 ", in6: "IPv6 "}[family] + map[uint8]string{tcp: "TCP", udp: "UDP"}[protocol]
			for _, ext := range []uint8{0, 0xff, 1 << (diagTClass - 1), 1 << (diagSKMeminfo - 1)} {
				add(name+", extensions "+hex.EncodeToString([]byte{ext}), by(dumping, diagRequest{family: family, protocol: protocol, extensions: ext, states: anyState}))
			}
			add(name+", listening", by(dumping, diagRequest{family: family, protocol: protocol, states: 1<<stateListen | 1<<stateClose}))
			add(name+", connected", by(dumping, diagRequest{family: family, protocol: protocol, states: 0xb37}))
			add(name+", no state", by(dumping, diagRequest{family: family, protocol: protocol}))
			add(name+", source port", by(dumping, diagRequest{family: family, protocol: protocol, states: anyState, src: "0.0.0.0:8000"}))
			add(name+", destination port", by(dumping, diagRequest{family: family, protocol: protocol, states: anyState, dst: "0.0.0.0:8000"}))
		}
	}
	all = append(all, exactQuestions(by)...)
	for name, code := range filters() {
		for _, family := range []uint8{in, in6} {
			add("filter "+name, by(dumping, diagRequest{family: family, protocol: tcp, states: anyState}, attr(reqBytecode, code)))
		}
	}
	old := append([]byte{in, 0, 0, 0}, diagRequest{}.id()...)
	add("TCPDIAG_GETSOCK", message(tcpdiagGetsock, dumping, append(old, 0xff, 0x0f, 0, 0, 0, 0, 0, 0)))
	one := append([]byte{in, 0, 0, 1}, diagRequest{src: "127.0.0.1:8000", cookie: noCookie}.id()...)
	add("TCPDIAG_GETSOCK of one", message(tcpdiagGetsock, get, append(one, make([]byte, 8)...)))
	return all
}

// exactQuestions ask for one socket.
func exactQuestions(by func(flags int, r diagRequest, attrs ...[]byte) []byte) []question {
	const in, in6, tcp, udp = unix.AF_INET, unix.AF_INET6, unix.IPPROTO_TCP, unix.IPPROTO_UDP
	var all []question
	for name, r := range map[string]diagRequest{
		"listener":                  {family: in, protocol: tcp, src: "127.0.0.1:8000", cookie: noCookie},
		"listener, other address":   {family: in, protocol: tcp, src: "127.0.0.2:8000", cookie: noCookie},
		"dual listener, IPv4":       {family: in, protocol: tcp, src: "127.0.0.1:8001", cookie: noCookie},
		"dual listener, IPv6":       {family: in6, protocol: tcp, src: "[::1]:8001", cookie: noCookie},
		"listener, IPv6 only":       {family: in6, protocol: tcp, src: "[::1]:8002", cookie: noCookie},
		"bound, does not listen":    {family: in, protocol: tcp, src: "127.0.0.1:8006", cookie: noCookie},
		"connection":                {family: in, protocol: tcp, src: "127.0.0.1:9000", dst: "127.0.0.1:8000", cookie: noCookie},
		"connection, accepted":      {family: in, protocol: tcp, src: "127.0.0.1:8000", dst: "127.0.0.1:9000", cookie: noCookie},
		"connection, mapped":        {family: in6, protocol: tcp, src: "[::ffff:127.0.0.1]:8001", dst: "[::ffff:127.0.0.1]:9002", cookie: noCookie},
		"connection, TIME-WAIT":     {family: in, protocol: tcp, src: "127.0.0.1:9005", dst: "127.0.0.1:8000", cookie: noCookie},
		"connection, SYN-SENT":      {family: in, protocol: tcp, src: "10.0.2.100:9006", dst: "10.0.2.9:81", cookie: noCookie},
		"wrong cookie":              {family: in, protocol: tcp, src: "127.0.0.1:8000", cookie: 1},
		"nothing there":             {family: in, protocol: tcp, src: "127.0.0.1:7", cookie: noCookie},
		"UDP to 5000":               {family: in, protocol: udp, src: "127.0.0.1:7", dst: "127.0.0.1:5000", cookie: noCookie},
		"UDP to 5001 by IPv4":       {family: in, protocol: udp, src: "127.0.0.1:7", dst: "127.0.0.1:5001", cookie: noCookie},
		"UDP to 5002 from its peer": {family: in, protocol: udp, src: "127.0.0.1:5000", dst: "127.0.0.1:5002", cookie: noCookie},
		"UDP to 5002 from others":   {family: in, protocol: udp, src: "127.0.0.1:7", dst: "127.0.0.1:5002", cookie: noCookie},
		"UDP to 5003 from its peer": {family: in6, protocol: udp, src: "[::1]:5001", dst: "[::1]:5003", cookie: noCookie},
		"UDP to 5004 by lo":         {family: in, protocol: udp, dst: "127.0.0.1:5004", iface: 1, cookie: noCookie},
		"UDP to 5004 by eth0":       {family: in, protocol: udp, dst: "127.0.0.1:5004", iface: 2, cookie: noCookie},
		"UDP, names the other way":  {family: in, protocol: udp, src: "127.0.0.1:5000", dst: "127.0.0.1:7", cookie: noCookie},
		"UDP, wrong cookie":         {family: in, protocol: udp, dst: "127.0.0.1:5000", cookie: 1},
	} {
		r.states = anyState
		all = append(all, question{name: name, request: by(get|unix.NLM_F_ACK, r)})
	}
	return all
}

// diagDifferences are the attributes in which answers differ, and why.
var diagDifferences = map[string]string{
	"20/15": "mark, which Linux tells with CAP_NET_ADMIN only", "18/15": "the same",
	"20/21": "the sandbox knows nothing of cgroups", "18/21": "the same",
	"20/1": "memory of queues is counted in bytes of data", "20/7": "the same",
	"20/3": "a congestion algorithm's own numbers", "20/16": "the same",
}

// normal takes out of a row what moves or nobody can know: timers, the cookies
// of connections without a descriptor, and their attributes.
func normal(d decoded) decoded {
	if d.typ == unix.NLMSG_DONE || d.typ == unix.NLMSG_ERROR {
		return d
	}
	b, _ := hex.DecodeString(d.header)
	if b[1] != stateTimeWait {
		b[2] = 0
	}
	b[3] = 0
	clear(b[52:56])
	if allZero(b[68:72]) {
		clear(b[44:52])
		d.attrs = nil
	}
	d.header = hex.EncodeToString(b)
	d.attrs = slices.Clone(d.attrs)
	for i, a := range d.attrs {
		if strings.HasSuffix(a.path, "/2") {
			d.attrs[i].value = "" // tcp_info; its length is a matter of the type
			if len(a.value) != 2*280 {
				d.attrs[i].value = a.value
			}
		}
	}
	return d
}

// TestSocketsAsLinux makes sockets, and asks the kernel and a server that was
// told of them the same questions.
func TestSocketsAsLinux(t *testing.T) {
	netnstest.NeedRelease(t)
	if !netnstest.Run(t) {
		return
	}
	sockets := openSockets(t)
	server := NewServer(sandbox(t))
	server.ServeSockets(sockets)
	seen, rows := map[string]bool{}, 0
	for _, q := range diagQuestions() {
		answers := [2][]decoded{}
		for i, p := range []peer{openKernelOf(t, unix.NETLINK_SOCK_DIAG, endOfDiag), openServerOf(t, server, unix.NETLINK_SOCK_DIAG)} {
			datagrams, port := p.ask(t, q.request)
			for m := range messages(t, datagrams, port, 7) {
				answers[i] = append(answers[i], normal(decodeSized(t, m, diagSizes)))
			}
			slices.SortStableFunc(answers[i], func(a, b decoded) int { return cmp.Compare(a.typ, b.typ) })
			slices.SortStableFunc(answers[i], func(a, b decoded) int { return cmp.Compare(a.header, b.header) })
		}
		rows += len(answers[0])
		compareDiag(t, q.name, answers[0], answers[1], seen)
	}
	for path := range diagDifferences {
		if !seen[path] && path != "20/3" && path != "20/16" {
			t.Errorf("listed, but not seen: %s", path)
		}
	}
	t.Logf("%d messages compared", rows)
}

func compareDiag(t *testing.T, name string, want, got []decoded, seen map[string]bool) {
	t.Helper()
	if len(want) != len(got) {
		t.Errorf("%s: %d messages, Linux has %d\nours  %v\nLinux %v", name, len(got), len(want), got, want)
		return
	}
	for i := range want {
		for _, path := range disagreements(want[i], got[i]) {
			if _, ok := diagDifferences[path]; ok {
				seen[path] = true
				continue
			}
			t.Errorf("%s: message %d %s:\nours  %s\nLinux %s", name, i, path, show(got[i], path), show(want[i], path))
		}
	}
}
