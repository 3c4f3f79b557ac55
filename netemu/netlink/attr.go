package netlink

import (
	"encoding/binary"

	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// typeMask takes the flags NLA_F_NESTED and NLA_F_NET_BYTEORDER off a type.
const typeMask = ^(nl.Nested | nl.NetByteOrder)

// align rounds a length up as NLMSG_ALIGN and NLA_ALIGN do.
func align(n int) int { return (n + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1) }

// padded is b with zeros up to an aligned length.
func padded(b []byte) []byte {
	if len(b) == align(len(b)) {
		return b
	}
	out := make([]byte, align(len(b)))
	copy(out, b)
	return out
}

// encode makes a sequence of attributes.
func encode(fill func(ae *nl.AttributeEncoder)) []byte {
	ae := nl.NewAttributeEncoder()
	fill(ae)
	b, err := ae.Encode()
	if err != nil {
		panic("netlink: BUG: attributes do not encode: " + err.Error())
	}
	return b
}

// nest adds an attribute that holds attributes, without NLA_F_NESTED, as
// rtnetlink's older nests are (nla_nest_start_noflag).
func nest(ae *nl.AttributeEncoder, typ uint16, fill func(ae *nl.AttributeEncoder)) {
	ae.Bytes(typ, encode(fill))
}

// attributes are the attributes of a request by type; the last of a type
// counts.
type attributes map[uint16][]byte

// parse reads the attributes of a request, as nla_parse does
// (lib/nlattr.c): garbage behind the last whole attribute is ignored, or, when
// strict, EINVAL, and so is then a type above most.
//
// The codec library's decoder is not used here: it rejects what Linux ignores.
func parse(b []byte, most uint16, strict bool) (attributes, *refusal) {
	found := attributes{}
	for len(b) >= unix.SizeofNlAttr {
		length := int(binary.NativeEndian.Uint16(b))
		if length < unix.SizeofNlAttr || length > len(b) {
			break
		}
		typ := binary.NativeEndian.Uint16(b[2:]) & typeMask
		switch {
		case typ > 0 && typ <= most:
			found[typ] = b[unix.SizeofNlAttr:length]
		case strict:
			return nil, refuse(unix.EINVAL, "Unknown attribute type")
		}
		b = b[min(align(length), len(b)):]
	}
	if strict && len(b) > 0 {
		return nil, refuse(unix.EINVAL, "bytes leftover after parsing attributes")
	}
	return found, nil
}

// uint32 is the value of attribute typ, 0 if it is not there. ERANGE: it is
// shorter.
func (a attributes) uint32(typ uint16) (uint32, *refusal) {
	b, ok := a[typ]
	if !ok {
		return 0, nil
	}
	if len(b) < 4 {
		return 0, errPolicy
	}
	return binary.NativeEndian.Uint32(b), nil
}

// text is the value of the string attribute typ, without its NUL.
func (a attributes) text(typ uint16) string {
	b := a[typ]
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// only refuses, when strict, attributes other than those allowed.
func (a attributes) only(reason string, allowed ...uint16) *refusal {
	rest := len(a)
	for _, typ := range allowed {
		if _, ok := a[typ]; ok {
			rest--
		}
	}
	if rest > 0 {
		return refuse(unix.EINVAL, reason)
	}
	return nil
}
