package abi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func cmsg(length uint64, level, typ int32, data ...byte) []byte {
	ne := binary.NativeEndian
	b := ne.AppendUint64(nil, length)
	b = ne.AppendUint32(b, uint32(level))
	b = ne.AppendUint32(b, uint32(typ))
	return append(b, data...)
}

func TestCmsgSizesAreXSys(t *testing.T) {
	for n := range 70 {
		if CmsgLen(n) != unix.CmsgLen(n) || CmsgSpace(n) != unix.CmsgSpace(n) {
			t.Errorf("%d bytes: %d, %d; x/sys %d, %d", n, CmsgLen(n), CmsgSpace(n), unix.CmsgLen(n), unix.CmsgSpace(n))
		}
	}
}

// TestCmsgsAsLinux gives control buffers to sendmsg(2) on an AF_UNIX pair,
// whose kernel side walks through them as every family's does: which
// messages it refuses, ours refuses too. SOL_IP messages pass by unread there.
func TestCmsgsAsLinux(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	good := cmsg(20, unix.IPPROTO_IP, unix.IP_TTL, 1, 0, 0, 0)
	padded := append(bytes.Clone(good), 0, 0, 0, 0)
	for name, control := range map[string][]byte{
		"one":                       good,
		"two":                       append(bytes.Clone(padded), good...),
		"empty payload":             cmsg(16, 0, 1),
		"tail shorter than header":  append(bytes.Clone(padded), 9, 9, 9),
		"no padding behind":         append(bytes.Clone(good), 1, 2),
		"shorter than header":       good[:15],
		"length 0":                  cmsg(0, 0, 1),
		"length 15":                 cmsg(15, 0, 1),
		"length beyond the buffer":  cmsg(17, 0, 1),
		"length 2^63":               cmsg(1<<63, 0, 1),
		"length 2^64-1":             cmsg(1<<64-1, 0, 1),
		"length 2^64-8":             cmsg(1<<64-8, 0, 1),
		"second one's length 0":     append(bytes.Clone(padded), cmsg(0, 0, 1)...),
		"second one beyond the end": append(bytes.Clone(padded), cmsg(40, 0, 1)...),
	} {
		want := unix.Errno(0)
		if err := unix.Sendmsg(pair[0], []byte{1}, control, nil, 0); err != nil && !errors.As(err, &want) {
			t.Fatal(err)
		}
		got := unix.Errno(0)
		for _, errno := range Cmsgs(control) {
			got = errno
		}
		if got != want {
			t.Errorf("%s: %v, Linux %v", name, got, want)
		}
	}
}

// TestAppendCmsgAsLinux receives a time stamp and credentials from the kernel
// with every size of control buffer and compares how they are cut.
func TestAppendCmsgAsLinux(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	for _, option := range []int{unix.SO_PASSCRED, unix.SO_TIMESTAMP} {
		if err := unix.SetsockoptInt(pair[1], unix.SOL_SOCKET, option, 1); err != nil {
			t.Fatal(err)
		}
	}
	ucred := Ucred{int32(unix.Getpid()), uint32(unix.Getuid()), uint32(unix.Getgid())}
	for room := range 80 {
		if err := unix.Sendmsg(pair[0], []byte{1}, nil, nil, 0); err != nil {
			t.Fatal(err)
		}
		kernel := bytes.Repeat([]byte{0xee}, room)
		_, filled, flags, _, err := unix.Recvmsg(pair[1], make([]byte, 1), kernel, 0)
		if err != nil {
			t.Fatal(err)
		}
		stamp := make([]byte, SizeofTimeval) // the kernel's own, as far as it fits
		if filled > SizeofCmsghdr {
			copy(stamp, kernel[SizeofCmsghdr:filled])
		}
		ours, cut := AppendCmsg(nil, room, Cmsg{unix.SOL_SOCKET, unix.SCM_TIMESTAMP, stamp})
		ours, cutToo := AppendCmsg(ours, room, Cmsg{unix.SOL_SOCKET, unix.SCM_CREDENTIALS, ucred.Bytes()})
		if len(ours) != filled || (cut || cutToo) != (flags&unix.MSG_CTRUNC != 0) {
			t.Errorf("room %d: %d bytes, cut %v %v; Linux %d bytes, flags %#x", room, len(ours), cut, cutToo, filled, flags)
			continue
		}
		if want := withoutPadding(kernel[:filled]); string(withoutPadding(ours)) != string(want) {
			t.Errorf("room %d:\nours  %x\nLinux %x", room, ours, want)
		}
	}
}

// withoutPadding zeroes what lies behind a last message's payload, which the
// kernel leaves as it was.
func withoutPadding(control []byte) []byte {
	b := bytes.Clone(control)
	for rest := b; len(rest) >= SizeofCmsghdr; {
		length := int(binary.NativeEndian.Uint64(rest))
		if length > len(rest) {
			break
		}
		next := min(cmsgAlign(length), len(rest))
		clear(rest[length:next])
		rest = rest[next:]
	}
	return b
}

// FuzzCmsgs walks through any bytes, and what is walked through can be written
// again and walked through to the same end.
func FuzzCmsgs(f *testing.F) {
	f.Add(cmsg(20, 0, 2, 1, 0, 0, 0), 64)
	f.Add(append(cmsg(24, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8), cmsg(1<<63, 1, 1)...), 20)
	f.Fuzz(func(t *testing.T, control []byte, room int) {
		room %= 1 << 12
		var out []byte
		var whole []Cmsg
		for m, errno := range Cmsgs(control) {
			if errno != 0 {
				break
			}
			before := len(out)
			var cut bool
			if out, cut = AppendCmsg(out, room, m); !cut {
				whole = append(whole, m)
			}
			if len(out) > max(0, room) || len(out) < before {
				t.Fatalf("%d bytes in a room of %d", len(out), room)
			}
			if cut {
				break
			}
		}
		i := 0
		for m, errno := range Cmsgs(out) {
			if errno != 0 {
				t.Fatal(errno)
			}
			if i < len(whole) && (m.Level != whole[i].Level || m.Type != whole[i].Type || string(m.Data) != string(whole[i].Data)) {
				t.Fatalf("message %d: %+v, was %+v", i, m, whole[i])
			}
			i++
		}
		if i < len(whole) {
			t.Fatalf("%d of %d messages", i, len(whole))
		}
	})
}

// FuzzParsers gives any bytes to every parser; what parses and can be encoded
// comes out the same.
func FuzzParsers(f *testing.F) {
	for _, b := range encoded() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, p := range parsers() {
			if v, errno := p.parse(b); errno == 0 {
				if e, ok := v.(interface{ Bytes() []byte }); ok {
					again, errno := p.parse(e.Bytes())
					if errno != 0 || again != v {
						t.Errorf("%s: %+v, then %+v, %v", p.name, v, again, errno)
					}
				}
			}
		}
	})
}

func TestDurations(t *testing.T) {
	const most = time.Duration(1<<63 - 1)
	for _, c := range []struct {
		tv    Timeval
		want  time.Duration
		errno unix.Errno
	}{
		{Timeval{0, 0}, 0, 0},
		{Timeval{1, 500000}, 1500 * time.Millisecond, 0},
		{Timeval{-1, 0}, -time.Second, 0},
		{Timeval{0, -1}, 0, unix.EDOM},
		{Timeval{0, 1000000}, 0, unix.EDOM},
		{Timeval{1<<63 - 1, 999999}, most, 0},
		{Timeval{-1 << 63, 0}, -most - 1, 0},
	} {
		if got, errno := c.tv.Duration(); got != c.want || errno != c.errno {
			t.Errorf("%+v: %v, %v; want %v, %v", c.tv, got, errno, c.want, c.errno)
		}
	}
	for _, c := range []struct {
		ts    Timespec
		want  time.Duration
		errno unix.Errno
	}{
		{Timespec{2, 5}, 2*time.Second + 5, 0},
		{Timespec{0, 1e9}, 0, unix.EINVAL},
		{Timespec{0, -1}, 0, unix.EINVAL},
		{Timespec{-1, 0}, 0, unix.EINVAL},
		{Timespec{1<<63 - 1, 999999999}, most, 0},
	} {
		if got, errno := c.ts.Duration(); got != c.want || errno != c.errno {
			t.Errorf("%+v: %v, %v; want %v, %v", c.ts, got, errno, c.want, c.errno)
		}
	}
	at := time.Unix(1700000000, 123456789)
	if TimevalAt(at) != (Timeval{1700000000, 123456}) || TimespecAt(at) != (Timespec{1700000000, 123456789}) {
		t.Errorf("%+v, %+v", TimevalAt(at), TimespecAt(at))
	}
	if TimevalOf(1500*time.Millisecond) != (Timeval{1, 500000}) {
		t.Errorf("%+v", TimevalOf(1500*time.Millisecond))
	}
}
