package netemu

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
	"netbox/netemu/uplink/relay"
)

// The fast path. A connection that the uplink has offered carries its bytes
// between surrogate and host socket; all else, its addresses, states and ends, stays
// netstack's. An end goes the way it always goes: the task's FIN or reset by
// netstack to the uplink, the far host's by the uplink to netstack.

// takeShortcutLocked takes the flow, if the uplink has offered it, before the task
// can send.
func (s *stream) takeShortcutLocked() {
	e := s.endsLocked()
	s.short = s.e.short.Take(relay.Ends{Local: e.local, Remote: e.remote})
	if s.short == nil {
		return
	}
	if on, _ := s.ep.GetBool(stack.NoDelay); on { // cannot fail on a stream
		s.short.Set(unix.SOL_TCP, unix.TCP_NODELAY, abi.IntBytes(1))
	}
	for _, set := range s.mem.settings() {
		passOption(s.short, set.key, set.value)
	}
}

// passed are the options that the host socket has as the task has set them. Those
// that say what a SYN looks like came too late; those of the IP header are the
// uplink's.
var passed = map[optionKey]bool{
	{unix.SOL_SOCKET, unix.SO_SNDBUF}:     true,
	{unix.SOL_SOCKET, unix.SO_RCVBUF}:     true,
	{unix.SOL_SOCKET, unix.SO_KEEPALIVE}:  true,
	{unix.SOL_TCP, unix.TCP_KEEPIDLE}:     true,
	{unix.SOL_TCP, unix.TCP_KEEPINTVL}:    true,
	{unix.SOL_TCP, unix.TCP_KEEPCNT}:      true,
	{unix.SOL_TCP, unix.TCP_USER_TIMEOUT}: true,
	{unix.SOL_TCP, unix.TCP_NODELAY}:      true,
	{unix.SOL_TCP, unix.TCP_CORK}:         true,
	{unix.SOL_TCP, unix.TCP_QUICKACK}:     true,
	{unix.SOL_TCP, unix.TCP_WINDOW_CLAMP}: true,
	{unix.SOL_TCP, unix.TCP_CONGESTION}:   true,
}

func passOption(short *relay.Shortcut, k optionKey, value []byte) {
	if passed[k] {
		short.Set(int(k.level), int(k.name), value)
	}
}

func (s *stream) shortcut() *relay.Shortcut {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.short
}

// readShort carries the far host's bytes to the task until one of them has ended.
func (s *stream) readShort(short *relay.Shortcut) {
	rest, err := short.Carry(s.sur, func(n int) { s.e.stack.CountPast(stack.Ethernet, n, 0) })
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, relay.ErrStopped) {
		s.broken(err)
	}
	short.Release(rest, err)
}

// writeShort hands the task's bytes to the host, waiting for room.
func (s *stream) writeShort(short *relay.Shortcut, data []byte) {
	for len(data) > 0 {
		n, err := short.Write(data)
		s.e.stack.CountPast(stack.Ethernet, 0, n)
		data = data[n:]
		if err == unix.EAGAIN {
			err = s.awaitShort(short)
		}
		switch {
		case err == nil:
		case errors.Is(err, relay.ErrStopped):
			return
		default:
			s.broken(err)
			return
		}
	}
}

// awaitShort waits until the host takes bytes again. relay.ErrStopped: the stream
// has ended.
func (s *stream) awaitShort(short *relay.Shortcut) error {
	for {
		err := short.WaitWritable(closeLook)
		select {
		case <-s.done:
			return relay.ErrStopped
		default:
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if s.thrownAway() {
			s.closed(true)
			return relay.ErrStopped
		}
	}
}

// broken ends a connection whose host socket has failed. What is no errno, or tells
// that the other direction has had it, is a reset.
func (s *stream) broken(err error) {
	var errno unix.Errno
	if !errors.As(err, &errno) || errno == unix.EPIPE {
		errno = unix.ECONNRESET
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == connected {
		s.endLocked(errno, true)
	}
}
