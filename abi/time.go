package abi

import (
	"encoding/binary"
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// Sizes of struct timeval and struct timespec on 64-bit machines, where the
// _OLD and _NEW forms are the same (<linux/time_types.h>), in bytes.
const (
	SizeofTimeval  = 16
	SizeofTimespec = 16
)

// Timeval is struct timeval: seconds and microseconds.
type Timeval struct{ Sec, Usec int64 }

// Timespec is struct timespec: seconds and nanoseconds.
type Timespec struct{ Sec, Nsec int64 }

// ParseTimeval decodes a struct timeval. EINVAL: b is shorter.
func ParseTimeval(b []byte) (Timeval, unix.Errno) {
	sec, usec, errno := parseTime(b)
	return Timeval{sec, usec}, errno
}

// ParseTimespec decodes a struct timespec. EINVAL: b is shorter.
func ParseTimespec(b []byte) (Timespec, unix.Errno) {
	sec, nsec, errno := parseTime(b)
	return Timespec{sec, nsec}, errno
}

func parseTime(b []byte) (sec, fraction int64, errno unix.Errno) {
	if len(b) < SizeofTimeval {
		return 0, 0, unix.EINVAL
	}
	ne := binary.NativeEndian
	return int64(ne.Uint64(b)), int64(ne.Uint64(b[8:])), 0
}

// TimevalAt is the wall-clock time t, as SO_TIMESTAMP tells it.
func TimevalAt(t time.Time) Timeval {
	return Timeval{t.Unix(), int64(t.Nanosecond()) / int64(time.Microsecond)}
}

// TimespecAt is the wall-clock time t, as SO_TIMESTAMPNS tells it.
func TimespecAt(t time.Time) Timespec { return Timespec{t.Unix(), int64(t.Nanosecond())} }

// TimevalOf is the length of time d, which must not be negative, as
// SO_RCVTIMEO tells it.
func TimevalOf(d time.Duration) Timeval {
	return Timeval{int64(d / time.Second), int64(d % time.Second / time.Microsecond)}
}

// Duration is the length of time tv. A value beyond 292 years is cut to that.
// EDOM: the microseconds are out of their range, as sock_set_timeout of
// net/core/sock.c has it. Negative seconds give a negative duration.
func (tv Timeval) Duration() (time.Duration, unix.Errno) {
	if tv.Usec < 0 || tv.Usec >= int64(time.Second/time.Microsecond) {
		return 0, unix.EDOM
	}
	return duration(tv.Sec, time.Duration(tv.Usec)*time.Microsecond), 0
}

// Duration is the length of time ts. A value beyond 292 years is cut to that.
// EINVAL: negative, or the nanoseconds are out of their range
// (timespec64_valid of <linux/time64.h>).
func (ts Timespec) Duration() (time.Duration, unix.Errno) {
	if ts.Sec < 0 || ts.Nsec < 0 || ts.Nsec >= int64(time.Second) {
		return 0, unix.EINVAL
	}
	return duration(ts.Sec, time.Duration(ts.Nsec)), 0
}

// duration needs 0 <= fraction < one second.
func duration(sec int64, fraction time.Duration) time.Duration {
	const most = int64(math.MaxInt64/time.Second) - 1
	if sec > most {
		return math.MaxInt64
	}
	if sec < -most {
		return math.MinInt64
	}
	return time.Duration(sec)*time.Second + fraction
}

// Bytes encodes tv.
func (tv Timeval) Bytes() []byte { return timeBytes(tv.Sec, tv.Usec) }

// Bytes encodes ts.
func (ts Timespec) Bytes() []byte { return timeBytes(ts.Sec, ts.Nsec) }

func timeBytes(sec, fraction int64) []byte {
	b := binary.NativeEndian.AppendUint64(nil, uint64(sec))
	return binary.NativeEndian.AppendUint64(b, uint64(fraction))
}
