package netlink

import (
	"encoding/binary"
	"testing"

	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"netbox/netemu/rtnl"
)

// FuzzServer sends any datagram with any options: the server does not panic,
// keeps its bounds, and whatever it answers parses.
func FuzzServer(f *testing.F) {
	for _, q := range append(questions(), hostile()...) {
		f.Add(q.request, uint8(len(q.options)))
	}
	hosts := []*rtnl.Host{sandbox(f), lonely(f)}
	f.Fuzz(func(t *testing.T, request []byte, switched uint8) {
		for _, host := range hosts {
			server := openServer(t, host)
			server.conn.Privileged = func() bool { return switched&8 != 0 }
			for i, option := range []int{unix.NETLINK_EXT_ACK, unix.NETLINK_GET_STRICT_CHK, unix.NETLINK_CAP_ACK} {
				if switched&(1<<i) != 0 {
					server.set(t, option)
				}
			}
			answers, errno := server.conn.Send(request)
			if errno != 0 && errno != unix.ENODATA && errno != unix.EMSGSIZE {
				t.Fatal(errno)
			}
			size := 0
			for _, b := range answers {
				size += len(b)
				parseAll(t, b, headerSizes)
			}
			if size > maxAnswers {
				t.Errorf("%d bytes of answers", size)
			}
		}
	})
}

// parseAll takes one datagram apart with the codec library.
func parseAll(t *testing.T, b []byte, sizes map[uint16]int) {
	t.Helper()
	for len(b) > 0 {
		var m nl.Message
		if len(b) < unix.NLMSG_HDRLEN {
			t.Fatalf("%d bytes left", len(b))
		}
		length := int(binary.NativeEndian.Uint32(b))
		if length > len(b) {
			t.Fatalf("length %d in %d bytes", length, len(b))
		}
		if err := m.UnmarshalBinary(padded(b[:length])); err != nil {
			t.Fatal(err)
		}
		decodeSized(t, m, sizes)
		b = b[min(align(length), len(b)):]
	}
}
