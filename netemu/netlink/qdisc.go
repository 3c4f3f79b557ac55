package netlink

import (
	"encoding/binary"
	"math"

	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Queueing disciplines (<linux/rtnetlink.h>, <linux/gen_stats.h>): sizes of
// struct tcmsg, gnet_stats_basic, gnet_stats_queue and tc_stats, in bytes, and
// the attributes used.
const (
	sizeofTcmsg          = 20
	sizeofGnetStatsBasic = 16
	sizeofGnetStatsQueue = 20
	sizeofTcStats        = 40

	tcaKind      = 1
	tcaStats     = 3
	tcaStats2    = 7
	tcaHWOffload = 12

	tcaStatsBasic = 1
	tcaStatsQueue = 3

	qdiscReferences = 2 // tcm_info: the device's and the queue's
)

// dumpQdiscs answers a RTM_GETQDISC dump, as tc_dump_qdisc does: each link has
// the noqueue discipline, which keeps no counters.
func dumpQdiscs(r *request) (rows, *refusal) {
	if len(r.body) < sizeofTcmsg {
		return rows{}, refuse(unix.EINVAL, "Invalid header length")
	}
	wanted := int32(binary.NativeEndian.Uint32(r.body[4:]))
	var answer rows
	for _, link := range r.interfaces {
		if wanted != 0 && wanted != link.Index {
			continue
		}
		answer.list = append(answer.list, qdiscRow(link.Index))
	}
	return answer, nil
}

func qdiscRow(index int32) row {
	ne := binary.NativeEndian
	b := ne.AppendUint32(nil, 0) // family and padding
	b = ne.AppendUint32(b, uint32(index))
	b = ne.AppendUint32(b, 0)              // handle
	b = ne.AppendUint32(b, math.MaxUint32) // parent: TC_H_ROOT
	b = ne.AppendUint32(b, qdiscReferences)
	attrs := encode(func(ae *nl.AttributeEncoder) {
		ae.String(tcaKind, "noqueue")
		ae.Uint8(tcaHWOffload, 0)
		nest(ae, tcaStats2, func(ae *nl.AttributeEncoder) {
			ae.Bytes(tcaStatsBasic, make([]byte, sizeofGnetStatsBasic))
			ae.Bytes(tcaStatsQueue, make([]byte, sizeofGnetStatsQueue))
		})
		ae.Bytes(tcaStats, make([]byte, sizeofTcStats))
	})
	return row{unix.RTM_NEWQDISC, append(b, attrs...)}
}
