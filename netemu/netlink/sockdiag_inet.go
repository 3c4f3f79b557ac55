package netlink

import (
	"encoding/binary"
	"net/netip"

	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Sizes in bytes of struct inet_diag_req, which TCPDIAG_GETSOCK has, of struct
// inet_diag_req_v2 and of the struct inet_diag_sockid in both
// (<linux/inet_diag.h>).
const (
	sizeofInetDiagReq    = 60
	sizeofInetDiagReqV2  = 56
	sizeofInetDiagSockid = 48
)

// Attributes of a request (INET_DIAG_REQ_*).
const (
	reqBytecode    = 1
	reqBPFStorages = 2
	reqProtocol    = 3
)

// States of sockets (<net/tcp_states.h>).
const (
	stateEstablished = 1
	stateTimeWait    = 6
	stateClose       = 7
	stateListen      = 10
)

// noCookie matches every socket (INET_DIAG_NOCOOKIE twice).
const noCookie = ^uint64(0)

// inetRequest is a struct inet_diag_req_v2 with its attributes.
type inetRequest struct {
	family      uint8 // AF_UNSPEC: any
	protocol    uint32
	extensions  uint8 // bit n-1 asks for attribute n
	rawProtocol uint8
	states      uint32
	src, dst    netip.AddrPort
	iface       uint32
	cookie      uint64
	code        bytecode // nil: none
}

// inetDiag answers for AF_INET and AF_INET6, as inet_diag_handler_cmd and
// inet_diag_rcv_msg_compat do (net/ipv4/inet_diag.c).
func (x *exchange) inetDiag(m nl.Message, size int) (dumped bool, failure *refusal) {
	dump := m.Header.Flags&unix.NLM_F_DUMP != 0
	r, failure := parseInetRequest(m.Data, size, dump)
	if failure != nil {
		return false, failure
	}
	typ := uint16(m.Header.Type)
	table, known := inetTables[r.protocol]
	switch {
	case !known && dump:
		x.dump(m.Header, rows{}, refuse(unix.ENOENT, ""))
		return true, nil
	case !known:
		return false, refuse(unix.ENOENT, "")
	case dump:
		all := x.server.list(table, r, r.family)
		x.dump(m.Header, rows{list: r.dump(all, typ)}, nil)
		return true, nil
	case r.family != unix.AF_INET && r.family != unix.AF_INET6:
		return false, refuse(unix.EINVAL, "")
	}
	// A listener of IPv6 may be found by IPv4.
	s := table.find(r, x.server.list(table, r, unix.AF_UNSPEC))
	switch {
	case s == nil:
		return false, refuse(unix.ENOENT, "")
	case r.cookie != noCookie && r.cookie != s.Cookie && table.stale != 0:
		return false, refuse(table.stale, "")
	}
	x.put(x.message(m.Header, typ, 0, r.encode(s)))
	return false, nil
}

// list asks for the sockets of a table that can be there.
func (s *Server) list(table inetTable, r *inetRequest, family uint8) []Socket {
	if !table.listed {
		return nil
	}
	s.mu.Lock()
	source := s.sockets
	s.mu.Unlock()
	return source.Sockets(uint8(r.protocol), family)
}

// inetTable is what is known of a protocol's sockets: whether there can be any,
// how one is looked up, and what a wrong cookie is (0: not looked at).
type inetTable struct {
	listed bool
	find   func(r *inetRequest, all []Socket) *Socket
	stale  unix.Errno
}

// inetTables are the protocols that are answered for. Others are ENOENT, as
// from a kernel without the modules. Of UDP-Lite and DCCP there are no sockets; a
// kernel without DCCP would make ss(8) ask once more with DCCPDIAG_GETSOCK and
// print the EINVAL that it gets.
var inetTables = map[uint32]inetTable{
	unix.IPPROTO_TCP:     {true, (*inetRequest).findTCP, unix.ENOENT},
	unix.IPPROTO_UDP:     {true, (*inetRequest).findUDP, unix.ESTALE},
	unix.IPPROTO_RAW:     {true, (*inetRequest).findRaw, 0},
	unix.IPPROTO_UDPLITE: {false, (*inetRequest).findUDP, unix.ESTALE},
	unix.IPPROTO_DCCP:    {false, (*inetRequest).findTCP, unix.ENOENT},
}

// parseInetRequest reads a request whose header is of size bytes.
func parseInetRequest(b []byte, size int, dump bool) (*inetRequest, *refusal) {
	if len(b) < size {
		return nil, refuse(unix.EINVAL, "")
	}
	r := &inetRequest{family: b[0], protocol: uint32(b[1]), extensions: b[2], rawProtocol: b[3]}
	states, id := b[4:], b[8:]
	if size == sizeofInetDiagReq {
		r.protocol, r.extensions, r.rawProtocol = unix.IPPROTO_TCP, b[3], 0
		id, states = b[4:], b[4+sizeofInetDiagSockid:]
	}
	r.states = binary.NativeEndian.Uint32(states)
	r.src = netip.AddrPortFrom(addressOf(r.family, id[4:]), binary.BigEndian.Uint16(id))
	r.dst = netip.AddrPortFrom(addressOf(r.family, id[20:]), binary.BigEndian.Uint16(id[2:]))
	r.iface = binary.NativeEndian.Uint32(id[36:])
	r.cookie = uint64(binary.NativeEndian.Uint32(id[40:])) | uint64(binary.NativeEndian.Uint32(id[44:]))<<32
	if dump && size == sizeofInetDiagReq {
		r.family = unix.AF_UNSPEC // as inet_diag_dump_compat has it
	}
	return r, r.parseAttributes(b[min(align(size), len(b)):], dump)
}

// addressOf is an idiag_src or idiag_dst.
func addressOf(family uint8, b []byte) netip.Addr {
	if family == unix.AF_INET6 {
		return netip.AddrFrom16([16]byte(b[:16]))
	}
	return netip.AddrFrom4([4]byte(b[:4]))
}

// parseAttributes reads what is behind the header. The bytecode is looked at
// for dumps only, and there may be socket-local BPF storage to be told only
// with CAP_BPF.
func (r *inetRequest) parseAttributes(b []byte, dump bool) *refusal {
	attrs, failure := parse(b, reqProtocol, false)
	if failure != nil {
		return failure
	}
	if p, ok := attrs[reqProtocol]; ok {
		if len(p) != 4 {
			return refuse(unix.EINVAL, "")
		}
		r.protocol = binary.NativeEndian.Uint32(p)
	}
	if code, ok := attrs[reqBytecode]; ok && dump {
		if errno := audit(code); errno != 0 {
			return refuse(errno, "")
		}
		r.code = code
	}
	if _, ok := attrs[reqBPFStorages]; ok && dump {
		return refuse(unix.EPERM, "")
	}
	return nil
}

// dump makes the rows of a table that the request selects: listeners first.
func (r *inetRequest) dump(all []Socket, typ uint16) []row {
	var listeners, others []row
	for i := range all {
		s := &all[i]
		switch {
		case !r.selects(s):
		case s.State == stateListen:
			listeners = append(listeners, row{typ, r.encode(s)})
		default:
			others = append(others, row{typ, r.encode(s)})
		}
	}
	return append(listeners, others...)
}

// selects applies the conditions of a dump. Raw sockets are told in any state
// (net/ipv4/raw_diag.c), bound ones whatever the ports asked for.
func (r *inetRequest) selects(s *Socket) bool {
	switch {
	case r.family != unix.AF_UNSPEC && r.family != s.Family:
		return false
	case r.protocol != unix.IPPROTO_RAW && r.states>>s.State&1 == 0:
		return false
	case s.State == StateBoundInactive:
	case r.src.Port() != 0 && r.src.Port() != s.number():
		return false
	case r.dst.Port() != 0 && r.dst.Port() != s.Remote.Port():
		return false
	}
	return r.code == nil || r.code.run(s)
}
