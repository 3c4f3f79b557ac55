package netlink

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/netemu/netlink/netnstest"
)

// hostileDiag are requests that have no rows for an answer, or only broken ones.
func hostileDiag() []question {
	by := func(flags int, parts ...[]byte) []byte { return message(unix.SOCK_DIAG_BY_FAMILY, flags, parts...) }
	tcp := diagRequest{family: unix.AF_INET, protocol: unix.IPPROTO_TCP}
	all := []question{
		{"no family", by(dumping), nil},
		{"one byte", by(dumping, []byte{unix.AF_INET}), nil},
		{"two bytes", by(dumping, []byte{unix.AF_INET, unix.IPPROTO_TCP}), nil},
		{"one byte short", by(dumping, tcp.bytes()[:sizeofInetDiagReqV2-1]), nil},
		{"one byte short, get", by(get, tcp.bytes()[:sizeofInetDiagReqV2-1]), nil},
		{"no request, ack", by(unix.NLM_F_ACK, tcp.bytes()), nil},
		{"dump, ack", by(dumping|unix.NLM_F_ACK, tcp.bytes()), nil},
		{"protocol attribute too short", by(dumping, tcp.bytes(), attr(reqProtocol, []byte{1})), nil},
		{"protocol attribute too short, get", by(get, tcp.bytes(), attr(reqProtocol, []byte{1})), nil},
		{"protocol by attribute", by(dumping, tcp.bytes(), attr(reqProtocol, word(unix.IPPROTO_UDP))), nil},
		{"protocol beyond all", by(dumping, tcp.bytes(), attr(reqProtocol, word(1<<31))), nil},
		{"SCTP by attribute, get", by(get, tcp.bytes(), attr(reqProtocol, word(unix.IPPROTO_SCTP))), nil},
		{"attribute that is not", by(dumping, tcp.bytes(), attr(77, word(1))), nil},
		{"garbage behind", by(dumping, tcp.bytes(), []byte{1, 2, 3}), nil},
		{"garbled filter, get", by(get, tcp.bytes(), attr(reqBytecode, []byte{1})), nil},
		{"AF_UNIX, short", by(dumping, append([]byte{unix.AF_UNIX}, make([]byte, 8)...)), nil},
		{"AF_UNIX, none told", by(get, append([]byte{unix.AF_UNIX}, make([]byte, 23)...)), nil},
		{"AF_UNIX, inode 1", by(get, append([]byte{unix.AF_UNIX, 0, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 15)...)), nil},
		{"AF_PACKET, short", by(dumping, append([]byte{unix.AF_PACKET}, make([]byte, 8)...)), nil},
		{"AF_PACKET", by(dumping, append([]byte{unix.AF_PACKET}, make([]byte, 19)...)), nil},
		{"AF_PACKET, a protocol", by(dumping, append([]byte{unix.AF_PACKET, 3}, make([]byte, 18)...)), nil},
		{"AF_PACKET, get", by(get, append([]byte{unix.AF_PACKET}, make([]byte, 19)...)), nil},
		{"AF_NETLINK, short", by(dumping, append([]byte{unix.AF_NETLINK}, make([]byte, 8)...)), nil},
		{"AF_NETLINK, get", by(get, append([]byte{unix.AF_NETLINK}, make([]byte, 19)...)), nil},
		{"TCPDIAG_GETSOCK, short", message(tcpdiagGetsock, dumping, make([]byte, sizeofInetDiagReq-1)), nil},
		{"TCPDIAG_GETSOCK, broken filter", message(tcpdiagGetsock, dumping, make([]byte, sizeofInetDiagReq), attr(reqBytecode, []byte{1})), nil},
		{"TCPDIAG_GETSOCK, no family", message(tcpdiagGetsock, get, make([]byte, sizeofInetDiagReq)), nil},
		{"DCCPDIAG_GETSOCK", message(19, dumping, make([]byte, sizeofInetDiagReq)), nil},
		{"DCCPDIAG_GETSOCK, get", message(19, get, make([]byte, sizeofInetDiagReq)), nil},
		{"type 22", message(22, get, tcp.bytes()), nil},
		{"type 65535", message(65535, dumping, tcp.bytes()), nil},
		{"two requests", append(by(get, tcp.bytes()), by(get, tcp.bytes())...), nil},
	}
	for _, family := range []uint8{unix.AF_UNSPEC, unix.AF_TIPC, unix.AF_MAX - 1, unix.AF_MAX, 255} {
		r := diagRequest{family: family, protocol: unix.IPPROTO_TCP}
		all = append(all, question{name: "family", request: by(dumping, r.bytes())}, question{name: "family, get", request: by(get, r.bytes())})
	}
	for _, protocol := range []uint8{0, unix.IPPROTO_ICMP, unix.IPPROTO_SCTP, unix.IPPROTO_UDPLITE, 254} {
		r := diagRequest{family: unix.AF_INET6, protocol: protocol}
		all = append(all, question{name: "protocol", request: by(dumping, r.bytes())}, question{name: "protocol, get", request: by(get, r.bytes())})
	}
	for name, code := range brokenFilters() {
		all = append(all, question{name: "filter " + name, request: by(dumping, tcp.bytes(), attr(reqBytecode, code))})
	}
	return all
}

// TestHostileDiagAsLinux sends them to the kernel and to a server without
// sockets: the answers are the same to the byte.
func TestHostileDiagAsLinux(t *testing.T) {
	netnstest.NeedRelease(t)
	if !netnstest.Run(t) {
		return
	}
	server := NewServer(sandbox(t))
	server.ServeSockets(&natives{t: t})
	for _, q := range hostileDiag() {
		answers := [2][]decoded{}
		for i, p := range []peer{openKernelOf(t, unix.NETLINK_SOCK_DIAG, endOfDiag), openServerOf(t, server, unix.NETLINK_SOCK_DIAG)} {
			datagrams, port := p.ask(t, q.request)
			for m := range messages(t, datagrams, port, 7) {
				answers[i] = append(answers[i], decodeSized(t, m, diagSizes))
			}
		}
		if !slices.EqualFunc(answers[0], answers[1], func(a, b decoded) bool { return len(disagreements(a, b)) == 0 }) {
			t.Errorf("%s:\nours  %+v\nLinux %+v", q.name, answers[1], answers[0])
		}
	}
}

// diagEnding is how the answer to one request ends.
func diagEnding(t *testing.T, request []byte) unix.Errno {
	t.Helper()
	server := NewServer(sandbox(t))
	server.ServeSockets(&natives{t: t})
	p := openServerOf(t, server, unix.NETLINK_SOCK_DIAG)
	datagrams, port := p.ask(t, request)
	if len(datagrams) == 0 {
		t.Fatal("no answer")
	}
	return ending(t, datagrams, port)
}

// TestDiagUnlikeThisKernel: what the sandbox answers of its own, or what the
// kernel of the comparison was built without.
func TestDiagUnlikeThisKernel(t *testing.T) {
	of := func(protocol uint8) []byte { return diagRequest{family: unix.AF_INET, protocol: protocol}.bytes() }
	for _, row := range []struct {
		name    string
		request []byte
		want    unix.Errno
	}{
		{"SOCK_DESTROY", message(sockDestroy, get, of(unix.IPPROTO_TCP)), unix.EPERM},
		{"SOCK_DESTROY, empty", message(sockDestroy, get), unix.EPERM},
		{"BPF storage", message(unix.SOCK_DIAG_BY_FAMILY, dumping, of(unix.IPPROTO_TCP), attr(reqBPFStorages, word(0))), unix.EPERM},
		{"filter by mark", message(unix.SOCK_DIAG_BY_FAMILY, dumping, of(unix.IPPROTO_TCP), attr(reqBytecode, op(bcMarkCond, 12, 16, make([]byte, 8)))), unix.EPERM},
		{"DCCP", message(unix.SOCK_DIAG_BY_FAMILY, dumping, of(unix.IPPROTO_DCCP)), 0},
		{"MPTCP", message(unix.SOCK_DIAG_BY_FAMILY, dumping, of(unix.IPPROTO_TCP), attr(reqProtocol, word(unix.IPPROTO_MPTCP))), unix.ENOENT},
		{"AF_UNIX", message(unix.SOCK_DIAG_BY_FAMILY, dumping, append([]byte{unix.AF_UNIX}, make([]byte, 23)...)), 0},
		{"AF_NETLINK", message(unix.SOCK_DIAG_BY_FAMILY, dumping, append([]byte{unix.AF_NETLINK, 255}, make([]byte, 18)...)), 0},
	} {
		if got := diagEnding(t, row.request); got != row.want {
			t.Errorf("%s: %v, want %v", row.name, got, row.want)
		}
	}
}

// rawTable has raw sockets only; the kernel of the comparison tells none.
type rawTable []Socket

func (r rawTable) Sockets(table, _ uint8) []Socket {
	if table == unix.IPPROTO_RAW {
		return r
	}
	return nil
}

// TestRawSockets: told by protocol, in every state, and found by protocol.
func TestRawSockets(t *testing.T) {
	server := NewServer(sandbox(t))
	server.ServeSockets(rawTable{
		{Family: unix.AF_INET, Protocol: unix.IPPROTO_ICMP, Raw: true, State: stateClose, Inode: 1},
		{Family: unix.AF_INET, Protocol: unix.IPPROTO_TCP, Raw: true, State: stateEstablished, Inode: 2},
		{Family: unix.AF_INET6, Protocol: unix.IPPROTO_ICMPV6, Raw: true, State: stateClose, Inode: 3},
	})
	for _, row := range []struct {
		name  string
		flags int
		r     diagRequest
		want  []string // protocol and inode
	}{
		{"IPv4", dumping, diagRequest{family: unix.AF_INET, protocol: unix.IPPROTO_RAW, states: 2}, []string{"01 01", "06 02"}},
		{"IPv6", dumping, diagRequest{family: unix.AF_INET6, protocol: unix.IPPROTO_RAW}, []string{"3a 03"}},
		{"one", get, diagRequest{family: unix.AF_INET, protocol: unix.IPPROTO_RAW, raw: unix.IPPROTO_TCP}, []string{"06 02"}},
		{"none", get, diagRequest{family: unix.AF_INET, protocol: unix.IPPROTO_RAW, raw: 50}, nil},
	} {
		datagrams, port := openServerOf(t, server, unix.NETLINK_SOCK_DIAG).ask(t, message(unix.SOCK_DIAG_BY_FAMILY, row.flags, row.r.bytes()))
		var got []string
		for m := range messages(t, datagrams, port, 7) {
			if d := decodeSized(t, m, diagSizes); d.typ == unix.SOCK_DIAG_BY_FAMILY {
				got = append(got, d.attr("20/10")+" "+d.header[2*68:2*68+2])
			}
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

// TestLongDump: all of a table comes that is longer than a receive buffer.
func TestLongDump(t *testing.T) {
	const info = 3000 // bytes, so that few rows do
	many := make(rawTable, 2*maxAnswers/info)
	for i := range many {
		many[i] = Socket{Family: unix.AF_INET, Protocol: unix.IPPROTO_ICMP, Raw: true, State: stateClose, TCPInfo: make([]byte, info)}
	}
	request := diagRequest{family: unix.AF_INET, protocol: unix.IPPROTO_RAW, extensions: 1 << (diagInfo - 1)}
	one := message(unix.SOCK_DIAG_BY_FAMILY, dumping, request.bytes())
	server := NewServer(sandbox(t))
	server.ServeSockets(many)
	p := openServerOf(t, server, unix.NETLINK_SOCK_DIAG)
	datagrams, port := p.ask(t, one)
	rows := 0
	for m := range messages(t, datagrams, port, 7) {
		if m.Header.Type == unix.SOCK_DIAG_BY_FAMILY {
			rows++
		}
	}
	if rows != len(many) || p.conn.TakeError() != 0 {
		t.Errorf("%d rows of %d", rows, len(many))
	}
	flood := slices.Repeat(one, 100)
	answers, errno := p.conn.Send(flood)
	size := 0
	for _, b := range answers {
		size += len(b)
	}
	if errno != 0 || size > maxDiagAnswers || p.conn.TakeError() != unix.ENOBUFS {
		t.Errorf("a hundred dumps: %v, %d bytes", errno, size)
	}
}

// FuzzDiag sends any datagram: the server does not panic, keeps its bounds, and
// whatever it answers parses.
func FuzzDiag(f *testing.F) {
	for _, q := range append(diagQuestions(), hostileDiag()...) {
		f.Add(q.request)
	}
	sockets := everySocket{
		{Family: unix.AF_INET, Protocol: unix.IPPROTO_TCP, State: stateListen, Local: addrPort(point("127.0.0.1:8000")), TCPInfo: make([]byte, 280)},
		{Family: unix.AF_INET6, Protocol: unix.IPPROTO_UDP, State: stateClose, Congestion: "reno"},
		{Family: unix.AF_INET6, Protocol: unix.IPPROTO_ICMPV6, Raw: true, State: stateEstablished, Remote: addrPort(point("[::ffff:1.2.3.4]:9"))},
		{Family: unix.AF_INET, Protocol: unix.IPPROTO_TCP, State: stateTimeWait, Local: addrPort(point("[::1]:8000"))},
	}
	host := lonely(f)
	f.Fuzz(func(t *testing.T, request []byte) {
		server := NewServer(host)
		server.ServeSockets(sockets)
		p := openServerOf(t, server, unix.NETLINK_SOCK_DIAG)
		answers, errno := p.conn.Send(request)
		if errno != 0 && errno != unix.ENODATA && errno != unix.EMSGSIZE {
			t.Fatal(errno)
		}
		size := 0
		for _, b := range answers {
			size += len(b)
			parseAll(t, b, diagSizes)
		}
		if size > maxDiagAnswers {
			t.Errorf("%d bytes of answers", size)
		}
	})
}

// everySocket is told for every table, right or wrong.
type everySocket []Socket

func (s everySocket) Sockets(uint8, uint8) []Socket { return s }
