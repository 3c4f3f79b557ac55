package netemu

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/trap"
)

// sendMany is a sendmmsg(2) of a stream, of which the first sent messages are sent.
// The kernel runs it in parts: as many messages at once as have nothing to hide,
// and each other one by itself, from a copy. It ends, as Linux's does, before the
// first message that fails, and behind one that is sent in part.
type sendMany struct {
	c           trap.Call
	shut        bool // as for copyBare
	count, sent uint32
}

func (s sendMany) at(i uint32) uint64 { return s.c.Pointer(1) + uint64(i)*abi.SizeofMMsghdr }

// next runs the next part.
func (s sendMany) next(t trap.Task) trap.Verdict {
	n := uint32(0)
	for ; s.sent+n < s.count; n++ {
		m, errno := copyBare(t, s.at(s.sent+n), s.shut)
		if n > 0 && (errno != 0 || m.hides()) {
			break
		}
		if errno != 0 {
			return s.end(-int64(errno))
		}
		if m.hides() {
			return s.runCopy(m)
		}
	}
	r := s.run(n)
	if *r.Args == s.c.Args {
		return trap.Run()
	}
	r.Then = func(t trap.Task, ret int64) trap.Verdict { return s.went(t, n, ret) }
	return r.Verdict()
}

// run is the call for the next n messages.
func (s sendMany) run(n uint32) *trap.Native {
	args := s.c.Args
	args[1], args[2], args[3] = s.at(s.sent), uint64(n), inline(args[3])
	return &trap.Native{Args: &args, Partial: int64(s.sent)}
}

// runCopy is the call for a message that has something to hide.
func (s sendMany) runCopy(m bare) trap.Verdict {
	r := s.run(1)
	r.Copy, r.CopyArg = make([]byte, abi.SizeofMMsghdr), 1
	copy(r.Copy, m.bytes())
	r.Then = func(t trap.Task, ret int64) trap.Verdict {
		if ret > 0 {
			length := binary.NativeEndian.Uint32(r.Copy[abi.OffsetMMsghdrLen:])
			if errno := writeInt32(t, s.at(s.sent)+abi.OffsetMMsghdrLen, int32(length)); errno != 0 {
				ret = -int64(errno)
			}
		}
		return s.went(t, 1, ret)
	}
	return r.Verdict()
}

// went goes on behind n messages, for which the kernel returned ret.
func (s sendMany) went(t trap.Task, n uint32, ret int64) trap.Verdict {
	if ret < int64(n) || s.sent+n == s.count || !sentWhole(t, s.at(s.sent+n-1)) {
		return s.end(ret)
	}
	s.sent += n
	return s.next(t)
}

// end ends the call with what the last run returned: an error is told only if
// nothing has been sent.
func (s sendMany) end(ret int64) trap.Verdict {
	switch {
	case ret >= 0:
		return trap.Done(int64(s.sent) + ret)
	case s.sent > 0:
		return trap.Done(int64(s.sent))
	}
	return trap.Fail(unix.Errno(-ret))
}

// sentWhole says whether nothing was left of the message at addr.
func sentWhole(t trap.Task, addr uint64) bool {
	sent, errno := readInt32(t, addr+abi.OffsetMMsghdrLen)
	if errno != 0 {
		return false
	}
	h, errno := copyMsghdr(t, addr)
	if errno != 0 {
		return false
	}
	vec, errno := copyIovec(t, h.IOV, h.IOVLen)
	var total uint64
	for _, v := range vec {
		total += v.length
	}
	return errno == 0 && total == uint64(uint32(sent))
}
