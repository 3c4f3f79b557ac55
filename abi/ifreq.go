package abi

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Sizes of struct ifreq and struct ifconf (<linux/if.h>), in bytes;
// OffsetIfreqData is where ifreq's union begins, behind the name.
const (
	SizeofIfreq     = 40
	SizeofIfconf    = 16
	OffsetIfreqData = unix.IFNAMSIZ
)

// Ifreq is struct ifreq, see netdevice(7): a name and a union.
type Ifreq [SizeofIfreq]byte

// Name is ifr_name up to its NUL; the last byte never counts, as in the
// kernel.
func (r *Ifreq) Name() string {
	name, _, _ := bytes.Cut(r[:unix.IFNAMSIZ-1], []byte{0})
	return string(name)
}

// SetName sets ifr_name, cut to 15 bytes and padded with NULs.
func (r *Ifreq) SetName(name string) {
	clear(r[:unix.IFNAMSIZ])
	copy(r[:unix.IFNAMSIZ-1], name)
}

// Data is the union: 24 bytes.
func (r *Ifreq) Data() []byte { return r[OffsetIfreqData:] }

// Ifconf is struct ifconf of SIOCGIFCONF: Buf is an address in the task.
type Ifconf struct {
	Len int32
	Buf uint64
}

// ParseIfconf decodes a struct ifconf. EINVAL: b is shorter.
func ParseIfconf(b []byte) (Ifconf, unix.Errno) {
	if len(b) < SizeofIfconf {
		return Ifconf{}, unix.EINVAL
	}
	ne := binary.NativeEndian
	return Ifconf{Len: int32(ne.Uint32(b)), Buf: ne.Uint64(b[8:])}, 0
}

// Bytes encodes c.
func (c Ifconf) Bytes() []byte {
	b := IntBytes(c.Len)
	b = append(b, 0, 0, 0, 0)
	return binary.NativeEndian.AppendUint64(b, c.Buf)
}
