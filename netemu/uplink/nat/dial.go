package nat

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
	"netbox/netemu/uplink/relay"
)

// dial makes one connection as a program would with socket(2) and connect(2),
// with the SYN asking of the way what the sandbox's asked. The connection's
// later segments ask the same.
type dial struct {
	way stack.Way
	dst netip.AddrPort
	// told is the ICMP error that ended the handshake, nil for another end.
	told *stack.ICMPError
	// local is the socket's address.
	local netip.AddrPort
}

// selfConnects is how often a socket may meet itself before the port counts as
// closed: a socket that connects to an ephemeral port of its own host where nobody
// listens may be given that very port (a simultaneous open, RFC 9293 section 3.5).
const selfConnects = 3

// connect gives connect(2)'s errno.
func (d *dial) connect(ctx context.Context) (*relay.Socket, error) {
	for range selfConnects {
		s, err := d.try(ctx)
		if err != nil || d.local != d.dst {
			return s, err
		}
		relay.Reset(s)
	}
	return nil, unix.ECONNREFUSED
}

func (d *dial) try(ctx context.Context) (*relay.Socket, error) {
	domain := unix.AF_INET6
	if d.dst.Addr().Is4() {
		domain = unix.AF_INET
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return nil, err
	}
	if err := setOptions(fd, d.options()); err != nil {
		unix.Close(fd)
		return nil, err
	}
	// The second call tells the outcome of the first if that is there already, as it
	// is over the host's loopback.
	to := relay.Sockaddr(d.dst)
	if err = unix.Connect(fd, to); err == unix.EINPROGRESS {
		err = unix.Connect(fd, to)
	}
	s, serr := relay.NewSocket(fd)
	if serr != nil {
		return nil, serr
	}
	if err == unix.EALREADY {
		err = awaitConnect(ctx, s, to)
	}
	if err := d.finish(s, err); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// awaitConnect waits for the outcome of connect(2), or ctx's end.
func awaitConnect(ctx context.Context, s *relay.Socket, to unix.Sockaddr) error {
	stop := context.AfterFunc(ctx, func() { _ = s.SetWriteDeadline(time.Unix(1, 0)) }) // fails only once closed
	defer stop()
	var err error
	werr := s.Await(func(fd int) bool {
		err = unix.Connect(fd, to)
		return err != unix.EALREADY
	})
	if errors.Is(werr, os.ErrDeadlineExceeded) {
		return ctx.Err()
	}
	return errors.Join(werr, err)
}

// options are what the socket needs before connect(2): what the way is asked for, and
// the error queue. No router is asked on the way to the host itself.
func (d *dial) options() []sockopt {
	w := d.way
	if w.Fragment == stack.FragmentNever {
		w.Fragment = stack.FragmentAtSource // TCP makes its segments fit
	}
	options := wayOptions(d.dst.Addr(), w, defaultWay(d.dst.Addr()))
	if d.dst.Addr().IsLoopback() {
		return options
	}
	return append(append(options, recvErr(d.dst.Addr(), 1)), recvWay(d.dst.Addr())...)
}

// finish has seen connect(2) end with err.
func (d *dial) finish(s *relay.Socket, err error) error {
	cerr := s.Control(func(fd int) {
		if err != nil {
			d.readTold(fd)
			return
		}
		if sa, nerr := unix.Getsockname(fd); nerr == nil {
			d.local = relay.AddrPort(sa)
		}
		if !d.dst.Addr().IsLoopback() {
			// An ICMP error about a connection that stands is a soft one to Linux, but
			// with the queue it ends the connection (tcp_v4_err).
			err = setOptions(fd, []sockopt{recvErr(d.dst.Addr(), 0)})
		}
	})
	return errors.Join(err, cerr)
}

// readTold takes the ICMP error that ended the handshake off the queue.
func (d *dial) readTold(fd int) {
	var m message
	buf := make([]byte, 1) // the SYN itself is not wanted
	for {
		e, _, ok := m.readError(uintptr(fd), buf)
		if !ok {
			return
		}
		if !e.local {
			d.told = &e.icmp
		}
	}
}
