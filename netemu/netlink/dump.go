package netlink

import (
	"encoding/binary"

	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// maxDatagram is the size up to which rows of a dump share a datagram, in
// bytes: NLMSG_GOODSIZE of a kernel with 4 KiB pages (one page less the
// skb_shared_info). Linux goes beyond only for readers that have offered a
// larger buffer before; glibc's is one page, and a longer datagram would be
// cut.
const maxDatagram = 4096 - 320

// dump answers request h with all rows and NLMSG_DONE, in as few datagrams of
// maxDatagram as they fit in. A refusal goes into NLMSG_DONE, as
// netlink_dump_done has it.
func (x *exchange) dump(h nl.Header, answer rows, failure *refusal) {
	flags := uint16(unix.NLM_F_MULTI)
	if answer.filtered {
		flags |= unix.NLM_F_DUMP_FILTERED
	}
	var datagram []byte
	add := func(b []byte) {
		if len(datagram) > 0 && len(datagram)+len(b) > maxDatagram {
			x.put(datagram)
			datagram = nil
		}
		datagram = append(datagram, b...)
	}
	for _, row := range answer.list {
		add(x.message(h, row.typ, flags, row.data))
	}
	done := binary.NativeEndian.AppendUint32(nil, uint32(failure.Code()))
	if tlvs := x.explain(failure); tlvs != nil {
		done = append(done, tlvs...)
		flags |= unix.NLM_F_ACK_TLVS
	}
	add(x.message(h, unix.NLMSG_DONE, flags, done))
	x.put(datagram)
}

// dumpAll joins the dumps of several families, for AF_UNSPEC.
func dumpAll(families ...func(*request) (rows, *refusal)) func(*request) (rows, *refusal) {
	return func(r *request) (rows, *refusal) {
		var all rows
		for _, dump := range families {
			part, failure := dump(r)
			all.list = append(all.list, part.list...)
			all.filtered = all.filtered || part.filtered
			if failure != nil {
				return all, failure
			}
		}
		return all, nil
	}
}

// dumpNone answers with no rows: a table that is there and empty. Strict
// requests must have the whole header of their type, of size bytes.
func dumpNone(size int) func(*request) (rows, *refusal) {
	return func(r *request) (rows, *refusal) {
		if r.strict && len(r.body) < size {
			return rows{}, refuse(unix.EINVAL, "Invalid header for dump request")
		}
		return rows{}, nil
	}
}
