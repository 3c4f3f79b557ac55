package abi

import (
	"encoding/binary"
	"encoding/hex"
	"maps"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// layoutsFromC compiles testdata/layouts.c and returns its lines: the name of
// a struct and its bytes, filled by C with the values that encoded() has.
func layoutsFromC(t *testing.T) map[string][]byte {
	t.Helper()
	program := filepath.Join(t.TempDir(), "layouts")
	if out, err := exec.Command("gcc", "-Wall", "-Werror", "-o", program, "testdata/layouts.c").CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	out, err := exec.Command(program).Output()
	if err != nil {
		t.Fatal(err)
	}
	layouts := map[string][]byte{}
	for line := range strings.Lines(string(out)) {
		name, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		layouts[name], err = hex.DecodeString(digits)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return layouts
}

var (
	v4     = netip.MustParseAddr("1.2.3.4")
	other4 = netip.MustParseAddr("5.6.7.8")
	v6     = netip.MustParseAddr("2001:db8:3:4:5:6:7:8")
)

// encoded has the same structs with the same values as testdata/layouts.c.
func encoded() map[string][]byte {
	cmsg, _ := AppendCmsg(nil, 64, Cmsg{Level: 1, Type: 2, Data: []byte{3, 4, 5}})
	inet6 := Sockaddr{Family: unix.AF_INET6, Addr: netip.AddrPortFrom(v6, 0x1234), Scope: 7}
	var ifreqFlags Ifreq
	ifreqFlags.SetName("eth0")
	binary.NativeEndian.PutUint16(ifreqFlags.Data(), 0x1043)
	var constants []byte
	for _, v := range []int32{TCPIOptTimestamps, TCPIOptSACK, TCPIOptWScale, TCPIOptECN, TCPIOptECNSeen, TCPIOptSynData} {
		constants = append(constants, IntBytes(v)...)
	}
	return map[string][]byte{
		"constants":    constants,
		"sockaddr_in":  Sockaddr{Family: unix.AF_INET, Addr: netip.AddrPortFrom(v4, 0x1234)}.Bytes(),
		"sockaddr_in6": inet6.Bytes(),
		"sockaddr_nl":  Sockaddr{Family: unix.AF_NETLINK, PortID: 0x11223344, Groups: 0x55667788}.Bytes(),
		"msghdr": Msghdr{Name: 0x1111222233334444, NameLen: 16, IOV: 0x2222, IOVLen: 3, Control: 0x4444,
			ControlLen: 5, Flags: 6}.Bytes(),
		"cmsghdr":    cmsg,
		"timeval":    Timeval{1, 2}.Bytes(),
		"timespec":   Timespec{3, 4}.Bytes(),
		"linger":     Linger{1, 2}.Bytes(),
		"ucred":      Ucred{1, 2, 3}.Bytes(),
		"in_pktinfo": InPktinfo{NIC: 1, Local: v4, Dst: other4}.Bytes(),
		"in6_pktinfo": In6Pktinfo{
			Addr: v6, NIC: 3}.Bytes(),
		"recverr4": SockExtendedErr{Errno: 1, Origin: 2, Type: 3, Code: 4, Info: 6, Data: 7}.
			BytesWith(unix.AF_INET, v4, 0),
		"recverr6": SockExtendedErr{Errno: 1, Origin: 2, Type: 3, Code: 4, Info: 6, Data: 7}.
			BytesWith(unix.AF_INET6, v6, 9),
		"sockaddr_ll": SockaddrLL{Protocol: 0x0806, NIC: 2, HardwareType: 3, PacketType: 4,
			AddrLen: 6, Addr: [8]byte{2, 3, 4, 5, 6, 7}}.Bytes(),
		"tpacket_hdr":     TpacketHdr{Len: 1, SnapLen: 2, Mac: 3, Net: 4, Sec: 5, Nsec: 6789}.BytesV1(),
		"tpacket2_hdr":    TpacketHdr{Len: 1, SnapLen: 2, Mac: 3, Net: 4, Sec: 5, Nsec: 6789}.BytesV2(),
		"tpacket_stats":   TpacketStats{1, 2}.Bytes(),
		"tpacket_auxdata": TpacketAuxdata{Status: 1, Len: 2, SnapLen: 3, Mac: 4, Net: 5}.Bytes(),

		"pollfd":      PollFD{1, 2, 3}.Bytes(),
		"ifconf":      Ifconf{Len: 80, Buf: 0x1122334455667788}.Bytes(),
		"ifreq_flags": ifreqFlags[:],
	}
}

// TestEncodedLayouts compares what the encoders write to what a C compiler
// makes of the same values with the kernel's headers.
func TestEncodedLayouts(t *testing.T) {
	fromC := layoutsFromC(t)
	ours := encoded()
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		if want, ok := fromC[name]; !ok || string(want) != string(ours[name]) {
			t.Errorf("%s: encoded %x, C has %x", name, ours[name], want)
		}
	}
}

// TestDecodedLayouts reads what C wrote.
func TestDecodedLayouts(t *testing.T) {
	fromC := layoutsFromC(t)
	if m, errno := ParsePacketMreq(fromC["packet_mreq"]); errno != 0 || m != (PacketMreq{1, 2, 6}) {
		t.Errorf("packet_mreq: %+v, %v", m, errno)
	}
	if r, errno := ParseTpacketReq(fromC["tpacket_req"]); errno != 0 || r != (TpacketReq{1, 2, 3, 4}) {
		t.Errorf("tpacket_req: %+v, %v", r, errno)
	}
	if p, errno := ParseSockFprog(fromC["sock_fprog"]); errno != 0 || p != (SockFprog{1, 0x1122334455667788}) {
		t.Errorf("sock_fprog: %+v, %v", p, errno)
	}
	sa, errno := ParseSockaddrLL(fromC["sockaddr_ll"])
	if errno != 0 || string(sa.Bytes()) != string(fromC["sockaddr_ll"]) {
		t.Errorf("sockaddr_ll: %+v, %v", sa, errno)
	}
}

// TestTCPInfoLayout compares struct tcp_info: as far as the installed headers
// know it with C, field after field with x/sys beyond, its size with the
// running kernel.
func TestTCPInfoLayout(t *testing.T) {
	fromC := layoutsFromC(t)["tcp_info"]
	info := countingTCPInfo(t)
	ours := info.Bytes(SizeofTCPInfo)
	if len(fromC) < 232 || string(fromC) != string(ours[:len(fromC)]) {
		t.Errorf("encoded %x\nC has    %x", ours, fromC)
	}
	var x unix.TCPInfo
	if int(unsafe.Sizeof(x)) != len(ours) {
		t.Fatalf("x/sys has %d bytes, encoded %d", unsafe.Sizeof(x), len(ours))
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&x)), len(ours)), ours)
	if x.Rcv_wnd != info.RcvWnd || x.Rehash != info.Rehash || x.Total_rto != info.TotalRTO ||
		x.Total_rto_time != info.TotalRTOTime || x.Received_ce_bytes != info.ReceivedCEBytes ||
		x.Delivered_e1_bytes != info.DeliveredE1Bytes {
		t.Errorf("x/sys reads %+v of %+v", x, info)
	}
	for _, n := range []int{-1, 0, 1, 104, SizeofTCPInfo, SizeofTCPInfo + 1} {
		if got, want := len(info.Bytes(n)), max(0, min(n, SizeofTCPInfo)); got != want {
			t.Errorf("Bytes(%d) has %d bytes, want %d", n, got, want)
		}
	}
}

// countingTCPInfo has each 16-, 32- and 64-bit field set to the offset at
// which it lies, and the first eight bytes to 1…8, as layouts.c does.
func countingTCPInfo(t *testing.T) TCPInfo {
	t.Helper()
	info := TCPInfo{State: 1, CAState: 2, Retransmits: 3, Probes: 4, Backoff: 5, Options: 6, WScale: 7, Flags: 8}
	b := info.Bytes(SizeofTCPInfo)
	for i := 8; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], uint32(i))
	}
	if _, err := binary.Decode(b, binary.NativeEndian, &info); err != nil {
		t.Fatal(err)
	}
	return info
}

// TestTCPInfoSizeOfKernel asks the kernel how long its struct tcp_info is.
func TestTCPInfoSizeOfKernel(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	buf := make([]byte, 1024)
	length := uint32(len(buf))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&length)), 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	t.Logf("kernel: %d bytes", length)
	if length > SizeofTCPInfo || length < 104 {
		t.Errorf("the kernel's tcp_info has %d bytes, ours %d", length, SizeofTCPInfo)
	}
}
