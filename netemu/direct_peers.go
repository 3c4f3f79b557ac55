package netemu

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A UDP socket that is not connected hears whoever knows its port: of the host's own
// programs all can look it up. A direct one is to hear only those to whom it has sent,
// as behind nat. So before the first datagram leaves, which gives it its port, it gets
// a socket filter (SO_ATTACH_FILTER) of blocks, one a peer, that lets in what comes
// from there; the last instruction drops the rest. The filter is also where the list
// of peers is kept: SO_GET_FILTER tells it back. Programs can't get at it: the options
// of socket filters are the sandbox's (direct_option.go). A connected socket needs
// none.

// maxPeers bounds the peers of a socket, the oldest forgotten first: each costs up to
// 7 or 12 instructions with every datagram that comes, and the memory of all is bounded
// (addPeer).
const maxPeers = 64

// What a block looks at. The kernel runs the filter with the packet beginning at its
// UDP header.
const (
	netOffset  = 0xfff00000 // SKF_NET_OFF: offsets from the IP header on
	ipSource4  = netOffset + 12
	ipSource6  = netOffset + 8
	udpSource  = 0
	ipVersion  = netOffset
	versionOf  = 0xf0
	block4Len  = 8
	block6Len  = 14
	acceptAll  = 1<<32 - 1
	loadByte   = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS
	loadHalf   = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
	loadWord   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	andConst   = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	jumpEqual  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	returnCode = unix.BPF_RET | unix.BPF_K
)

// peerBlock is the block of one peer: its version, the words of its address, its port.
func peerBlock(peer netip.AddrPort) []unix.SockFilter {
	a := peer.Addr()
	version, words, at, length := uint32(4), a.AsSlice(), uint32(ipSource4), block4Len
	if a.Is6() {
		version, at, length = 6, ipSource6, block6Len
	}
	b := make([]unix.SockFilter, 0, length)
	test := func(code uint16, at, value uint32) {
		b = append(b, unix.SockFilter{Code: code, K: at})
		if code == loadByte {
			b = append(b, unix.SockFilter{Code: andConst, K: versionOf})
		}
		b = append(b, unix.SockFilter{Code: jumpEqual, Jf: uint8(length - len(b) - 1), K: value})
	}
	test(loadByte, ipVersion, version<<4)
	for i := 0; i < len(words); i += 4 {
		test(loadWord, at+uint32(i), binary.BigEndian.Uint32(words[i:]))
	}
	test(loadHalf, udpSource, uint32(peer.Port()))
	return append(b, unix.SockFilter{Code: returnCode, K: acceptAll})
}

// peersOf reads the peers back from a filter's program.
func peersOf(program []unix.SockFilter) []netip.AddrPort {
	var list []netip.AddrPort
	for len(program) > block4Len {
		length, words := block4Len, 1
		if program[2].K == 6<<4 {
			length, words = block6Len, 4
		}
		if len(program) < length {
			break
		}
		var raw []byte
		for i := range words {
			raw = binary.BigEndian.AppendUint32(raw, program[4+2*i].K)
		}
		a, _ := netip.AddrFromSlice(raw)
		list = append(list, netip.AddrPortFrom(a, uint16(program[length-2].K)))
		program = program[length:]
	}
	return list
}

// hear has the socket hear peer from now on.
func (o *outside) hear(file int, peer netip.AddrPort) unix.Errno {
	if _, errno := peerOf(file); errno == 0 {
		return 0 // connected
	}
	program, errno := programOf(file)
	if errno != 0 {
		return errno
	}
	return o.addPeer(file, program, plain(peer))
}

// alsoHear is hear for a socket that is about to be connected, and needs a filter's
// leave only if it has a filter.
func (o *outside) alsoHear(file int, peer netip.AddrPort) unix.Errno {
	program, errno := programOf(file)
	if errno != 0 || len(program) == 0 {
		return errno
	}
	return o.addPeer(file, program, plain(peer))
}

// addPeer attaches a filter with one more peer. Filters are bounded by
// net.core.optmem_max too, 20 KiB before Linux 6.7, the old one and the new together:
// ENOMEM, upon which half of the peers go.
func (o *outside) addPeer(file int, program []unix.SockFilter, peer netip.AddrPort) unix.Errno {
	peers := peersOf(program)
	if slices.Contains(peers, peer) {
		return 0
	}
	if len(peers) >= maxPeers {
		peers = o.forget(peers, 1)
	}
	for {
		errno := attach(file, programFor(append(peers, peer)))
		if errno != unix.ENOMEM || len(peers) == 0 {
			return errno
		}
		peers = o.forget(peers, (len(peers)+1)/2)
	}
}

func (o *outside) forget(peers []netip.AddrPort, n int) []netip.AddrPort {
	o.count.forgotten.Add(uint64(n))
	return peers[n:]
}

// programFor is the filter that lets peers in.
func programFor(peers []netip.AddrPort) []unix.SockFilter {
	var program []unix.SockFilter
	for _, p := range peers {
		program = append(program, peerBlock(p)...)
	}
	return append(program, unix.SockFilter{Code: returnCode})
}

// programOf is SO_GET_FILTER, whose lengths are in instructions.
func programOf(file int) ([]unix.SockFilter, unix.Errno) {
	var b [1]unix.SockFilter
	n := uint32(0)
	get := func(p *unix.SockFilter) unix.Errno {
		_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(file), unix.SOL_SOCKET, unix.SO_GET_FILTER,
			uintptr(unsafe.Pointer(p)), uintptr(unsafe.Pointer(&n)), 0)
		return errno
	}
	if errno := get(&b[0]); errno != 0 || n == 0 {
		return nil, errno
	}
	program := make([]unix.SockFilter, n)
	if errno := get(&program[0]); errno != 0 {
		return nil, errno
	}
	return program[:n], 0
}

// attach is SO_ATTACH_FILTER.
func attach(file int, program []unix.SockFilter) unix.Errno {
	f := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, errno := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(file), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		uintptr(unsafe.Pointer(&f)), unsafe.Sizeof(f), 0)
	return errno
}
