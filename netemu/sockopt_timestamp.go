package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/abi"
)

// timestamps is SO_TIMESTAMP and, with nano 1, SO_TIMESTAMPNS: one takes the
// other's place, and to switch either off is to switch off both
// (__sock_set_timestamps).
func timestamps(name string, nano int) option {
	names := [2]string{"SO_TIMESTAMP", "SO_TIMESTAMPNS"}
	return option{
		name:    name,
		partial: "streams have no control messages, and only tell it back",
		setInt: func(s socket, v int32) unix.Errno {
			on := [2]bool{}
			on[nano] = v != 0
			if d, ok := s.(*datagram); ok {
				d.mu.Lock()
				defer d.mu.Unlock()
				d.want.timestamp, d.want.timestampNS = on[0], on[1]
			}
			for i, n := range names {
				s.memo().put(n, int64(oneIf(on[i])))
			}
			return 0
		},
		getInt: recall(name, 0),
	}
}

// timestampingKnown are the flags of SO_TIMESTAMPING that can be set: software
// time stamps of received datagrams, and those of hardware, of which there is
// none. Time stamps of what is sent would come by the error queue, and are
// refused as from a kernel that does not know their flags.
const timestampingKnown = unix.SOF_TIMESTAMPING_RX_SOFTWARE | unix.SOF_TIMESTAMPING_SOFTWARE |
	unix.SOF_TIMESTAMPING_RX_HARDWARE | unix.SOF_TIMESTAMPING_RAW_HARDWARE | unix.SOF_TIMESTAMPING_SYS_HARDWARE

// timestamping is SO_TIMESTAMPING (Documentation/networking/timestamping.rst).
var timestamping = option{
	name: "SO_TIMESTAMPING", partial: "nothing is told of what is sent, nor of streams",
	setInt: func(s socket, v int32) unix.Errno {
		d, ok := s.(*datagram)
		if v&^timestampingKnown != 0 || !ok && v != 0 {
			return unix.EINVAL
		}
		if ok {
			d.mu.Lock()
			d.want.timestamping = v
			d.mu.Unlock()
		}
		s.memo().put("SO_TIMESTAMPING", int64(v))
		return 0
	},
	// struct so_timestamping: flags and the clock to bind to, none.
	get: func(s socket, _ int) ([]byte, unix.Errno) {
		v := s.memo().get("SO_TIMESTAMPING", 0)
		return append(abi.IntBytes(int32(v)), abi.IntBytes(0)...), 0
	},
}
