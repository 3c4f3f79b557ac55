package netlink

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// sizeofHostcond is the size of struct inet_diag_hostcond in bytes, without the
// address behind it: family, prefix length, padding, and a port (-1 any).
const sizeofHostcond = 8

// addressBytes are the sizes of the addresses of a struct inet_diag_hostcond by
// its family.
var addressBytes = map[byte]int{unix.AF_UNSPEC: 0, unix.AF_INET: 4, unix.AF_INET6: 16}

// matchHost says whether an address and port of a socket of family meet a struct
// inet_diag_hostcond. An IPv4 prefix is met by v4-mapped addresses too.
func matchHost(cond []byte, family uint8, addr netip.Addr, port uint16) bool {
	if want := int32(binary.NativeEndian.Uint32(cond[4:])); want != -1 && want != int32(port) {
		return false
	}
	wanted, bits := cond[0], int(cond[1])
	address := make([]byte, 16)
	putAddress(address, family, addr)
	switch {
	case wanted == unix.AF_UNSPEC || wanted == family:
	case wanted == unix.AF_INET && family == unix.AF_INET6 && addr.Is4In6():
		address = address[12:]
	default:
		return false
	}
	return samePrefix(address, cond[sizeofHostcond:], bits)
}

// samePrefix compares the first bits of a and b.
func samePrefix(a, b []byte, bits int) bool {
	for i := range bits {
		if mask := byte(0x80) >> (i % 8); (a[i/8]^b[i/8])&mask != 0 {
			return false
		}
	}
	return true
}
