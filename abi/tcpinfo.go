package abi

import "encoding/binary"

// SizeofTCPInfo is sizeof(struct tcp_info) of Linux 6.18, in bytes. Older
// kernels have a prefix of it.
const SizeofTCPInfo = 280

// Options of tcpi_options (<linux/tcp.h>).
const (
	TCPIOptTimestamps = 1
	TCPIOptSACK       = 2
	TCPIOptWScale     = 4
	TCPIOptECN        = 8
	TCPIOptECNSeen    = 16
	TCPIOptSynData    = 32
)

// TCPInfo is struct tcp_info (<linux/tcp.h>). Times are in microseconds but
// for Ato and Rto (also microseconds) and Last* (milliseconds); rates are in
// bytes a second.
type TCPInfo struct {
	State, CAState, Retransmits, Probes, Backoff, Options uint8
	// WScale is snd_wscale in the low and rcv_wscale in the high half; Flags
	// is delivery_rate_app_limited in bit 0, fastopen_client_fail in bits 1–2.
	WScale, Flags                                    uint8
	RTO, ATO, SndMSS, RcvMSS                         uint32
	Unacked, Sacked, Lost, Retrans, Fackets          uint32
	LastDataSent, LastAckSent                        uint32
	LastDataRecv, LastAckRecv                        uint32
	PMTU, RcvSsthresh, RTT, RTTVar                   uint32
	SndSsthresh, SndCwnd, AdvMSS, Reordering         uint32
	RcvRTT, RcvSpace, TotalRetrans                   uint32
	PacingRate, MaxPacingRate                        uint64
	BytesAcked, BytesReceived                        uint64
	SegsOut, SegsIn, NotsentBytes, MinRTT            uint32
	DataSegsIn, DataSegsOut                          uint32
	DeliveryRate                                     uint64
	BusyTime, RwndLimited, SndbufLimited             uint64
	Delivered, DeliveredCE                           uint32
	BytesSent, BytesRetrans                          uint64
	DsackDups, ReordSeen, RcvOOOPack, SndWnd, RcvWnd uint32
	Rehash                                           uint32
	TotalRTO, TotalRTORecoveries                     uint16
	TotalRTOTime                                     uint32
	ReceivedCE, DeliveredE1Bytes, DeliveredE0Bytes   uint32
	DeliveredCEBytes, ReceivedE1Bytes                uint32
	ReceivedE0Bytes, ReceivedCEBytes                 uint32
	Reserved                                         uint32
}

// Bytes encodes the first optlen bytes of t, or all of it if optlen is more,
// as getsockopt(TCP_INFO) hands it out.
func (t TCPInfo) Bytes(optlen int) []byte {
	b, err := binary.Append(make([]byte, 0, SizeofTCPInfo), binary.NativeEndian, t)
	if err != nil {
		panic("abi: struct of fixed-size fields: " + err.Error())
	}
	return b[:max(0, min(optlen, len(b)))]
}

// ParseTCPInfo decodes what Bytes has encoded whole; false if b is shorter.
func ParseTCPInfo(b []byte) (TCPInfo, bool) {
	var t TCPInfo
	_, err := binary.Decode(b, binary.NativeEndian, &t)
	return t, err == nil
}
