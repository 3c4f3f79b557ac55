package netemu

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// TestMessages: what is asked for comes, in Linux's order.
func TestMessages(t *testing.T) {
	const software = unix.SOF_TIMESTAMPING_RX_SOFTWARE | unix.SOF_TIMESTAMPING_SOFTWARE
	at := time.Unix(1700000000, 5000)
	a := arrival{control: stack.Control{TTL: 9, TOS: 4, HopLimit: -1, TClass: -1, Timestamp: at}}
	for _, row := range []struct {
		name   string
		want   wanted
		family int
		types  []int32
	}{
		{"nothing", wanted{}, unix.AF_INET, nil},
		{"time stamp", wanted{timestamp: true}, unix.AF_INET, []int32{unix.SO_TIMESTAMP}},
		{"nanoseconds first", wanted{timestamp: true, timestampNS: true}, unix.AF_INET, []int32{unix.SO_TIMESTAMPNS}},
		{"software times", wanted{timestamping: software, ttl: true}, unix.AF_INET, []int32{unix.SO_TIMESTAMPING, unix.IP_TTL}},
		{"not made", wanted{timestamping: unix.SOF_TIMESTAMPING_SOFTWARE}, unix.AF_INET, nil},
		{"not told", wanted{timestamping: unix.SOF_TIMESTAMPING_RX_SOFTWARE}, unix.AF_INET, nil},
		{"credentials", wanted{credentials: true}, unix.AF_NETLINK, []int32{unix.SCM_CREDENTIALS}},
		{"none of IPv6", wanted{hopLimit: true, trafficClass: true, tos: true}, unix.AF_INET6, []int32{unix.IP_TOS}},
	} {
		got := row.want.messages(row.family, a)
		if len(got) != len(row.types) {
			t.Errorf("%s: %v", row.name, got)
			continue
		}
		for i, m := range got {
			if m.Type != row.types[i] {
				t.Errorf("%s: message %d is of type %d, want %d", row.name, i, m.Type, row.types[i])
			}
		}
	}
	m := wanted{timestamping: software}.messages(unix.AF_INET, a)[0]
	stamp, errno := abi.ParseTimespec(m.Data)
	if errno != 0 || stamp != abi.TimespecAt(at) || len(m.Data) != 3*abi.SizeofTimespec {
		t.Errorf("SCM_TIMESTAMPING: %v, %v, %d bytes", stamp, errno, len(m.Data))
	}
}
