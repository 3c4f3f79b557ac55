package netlink

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"iter"
	"testing"

	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

func header(sequence uint32) nl.Header { return nl.Header{Sequence: sequence} }

// headerSizes are the sizes of the fixed headers behind the nlmsghdr, by
// message type.
var headerSizes = map[uint16]int{
	unix.RTM_NEWLINK: unix.SizeofIfInfomsg, unix.RTM_NEWADDR: unix.SizeofIfAddrmsg,
	unix.RTM_NEWROUTE: unix.SizeofRtMsg, unix.RTM_NEWRULE: sizeofFibRuleHdr,
	unix.RTM_NEWNEIGH: unix.SizeofNdMsg, unix.RTM_NEWNSID: 4, unix.RTM_NEWNETCONF: 4,
	unix.RTM_NEWQDISC: sizeofTcmsg, unix.NLMSG_DONE: 4, unix.NLMSG_ERROR: 4,
}

// nests are the attributes that hold attributes: paths of message type and
// attribute types.
var nests = map[string]bool{
	"16/26": true, "16/26/2": true, "16/26/10": true, "16/43": true, "16/18": true, "16/12": true, "36/7": true,
}

// attribute is one attribute of a message: its path, its value in hex.
type attribute struct{ path, value string }

// decoded is one message of an answer.
type decoded struct {
	typ, flags uint16
	header     string // the fixed header in hex
	attrs      []attribute
}

func (d decoded) attr(path string) string {
	for _, a := range d.attrs {
		if a.path == path {
			return a.value
		}
	}
	return ""
}

// messages walks through the messages of datagrams; one that does not parse, or
// is for another port or request, fails the test.
func messages(t testing.TB, datagrams [][]byte, port, sequence uint32) iter.Seq[nl.Message] {
	return func(yield func(nl.Message) bool) {
		t.Helper()
		for _, b := range datagrams {
			for len(b) > 0 {
				length := int(binary.NativeEndian.Uint32(b))
				if length < unix.NLMSG_HDRLEN || length > len(b) {
					t.Fatalf("message of length %d in %d bytes", length, len(b))
				}
				var m nl.Message
				if err := m.UnmarshalBinary(padded(b[:length])); err != nil {
					t.Fatal(err)
				}
				if m.Header.PID != port || m.Header.Sequence != sequence {
					t.Errorf("for port %d, sequence %d; want %d, %d", m.Header.PID, m.Header.Sequence, port, sequence)
				}
				if !yield(m) {
					return
				}
				b = b[min(align(length), len(b)):]
			}
		}
	}
}

// decode takes datagrams apart. NLMSG_ERROR has its errno as header, and the
// request is not decoded.
func decode(t testing.TB, datagrams [][]byte, port, sequence uint32) []decoded {
	t.Helper()
	var all []decoded
	for m := range messages(t, datagrams, port, sequence) {
		all = append(all, decodeMessage(t, m))
	}
	return all
}

func decodeMessage(t testing.TB, m nl.Message) decoded {
	t.Helper()
	return decodeSized(t, m, headerSizes)
}

// decodeSized decodes a message of a protocol with the fixed headers of sizes.
func decodeSized(t testing.TB, m nl.Message, sizes map[uint16]int) decoded {
	t.Helper()
	d := decoded{typ: uint16(m.Header.Type), flags: uint16(m.Header.Flags)}
	size, ok := sizes[d.typ]
	if !ok || size > len(m.Data) {
		t.Fatalf("message of type %d with %d bytes", d.typ, len(m.Data))
	}
	d.header = hex.EncodeToString(m.Data[:size])
	if d.typ != unix.NLMSG_ERROR {
		d.attrs = decodeAttributes(t, fmt.Sprint(d.typ), m.Data[align(size):])
		return d
	}
	at := 4 + unix.NLMSG_HDRLEN
	if d.flags&unix.NLM_F_CAPPED == 0 {
		at = 4 + align(int(binary.NativeEndian.Uint32(m.Data[4:])))
	}
	if d.flags&unix.NLM_F_ACK_TLVS != 0 {
		d.attrs = decodeAttributes(t, fmt.Sprint(d.typ), m.Data[at:])
	}
	return d
}

func decodeAttributes(t testing.TB, path string, b []byte) []attribute {
	t.Helper()
	ad, err := nl.NewAttributeDecoder(b)
	if err != nil {
		t.Fatalf("%s: %v in %x", path, err, b)
	}
	var all []attribute
	for ad.Next() {
		inner := fmt.Sprintf("%s/%d", path, ad.Type())
		if nests[inner] {
			all = append(all, decodeAttributes(t, inner, ad.Bytes())...)
			continue
		}
		all = append(all, attribute{inner, hex.EncodeToString(ad.Bytes())})
	}
	if ad.Err() != nil {
		t.Fatalf("%s: %v in %x", path, ad.Err(), b)
	}
	return all
}

// ending is how an answer ends: the errno in NLMSG_ERROR or NLMSG_DONE, 0 for
// an answer without either. What is in the rows does not matter.
func ending(t testing.TB, datagrams [][]byte, port uint32) unix.Errno {
	t.Helper()
	for m := range messages(t, datagrams, port, 7) {
		if m.Header.Type == unix.NLMSG_ERROR || m.Header.Type == unix.NLMSG_DONE {
			return unix.Errno(-int32(binary.NativeEndian.Uint32(m.Data)))
		}
	}
	return 0
}
