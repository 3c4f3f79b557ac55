package nat

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// dial makes one connection as a program would with socket(2) and connect(2),
// with the SYN asking of the way what the sandbox's asked. The connection's
// later segments ask the same.
type dial struct {
	way stack.Way
	dst netip.AddrPort
	// told is the ICMP error that ended the handshake, nil for another end.
	told *stack.ICMPError

	// spare is the socket once more: package net closes its own when
	// connect(2) fails, and the error queue is wanted then.
	spare int
}

// connect gives an error around connect(2)'s errno. It gets addresses, not
// names, so there is no Happy Eyeballs; keepalive is the program's to ask for,
// and Multipath TCP too.
func (d *dial) connect(ctx context.Context) (*net.TCPConn, error) {
	d.spare = -1
	defer d.closeSpare()
	dialer := net.Dialer{KeepAlive: -1, FallbackDelay: -1, Control: d.control}
	dialer.SetMultipathTCP(false)
	conn, err := dialer.DialTCP(ctx, "tcp", netip.AddrPort{}, d.dst)
	if d.spare < 0 {
		return conn, err
	}
	if err != nil {
		d.readTold()
		return nil, err
	}
	// An ICMP error about a connection that stands is a soft one to Linux, but
	// with the queue it ends the connection (tcp_v4_err).
	if err := setOptions(d.spare, []sockopt{recvErr(d.dst.Addr(), 0)}); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// control is called between socket(2) and connect(2), again if package net tries
// once more.
func (d *dial) control(_, _ string, c syscall.RawConn) error {
	var err error
	cerr := c.Control(func(fd uintptr) { err = d.prepare(int(fd)) })
	return errors.Join(err, cerr)
}

func (d *dial) prepare(fd int) error {
	d.closeSpare()
	w := d.way
	if w.Fragment == stack.FragmentNever {
		w.Fragment = stack.FragmentAtSource // TCP makes its segments fit
	}
	options := append(wayOptions(d.dst.Addr(), w), recvErr(d.dst.Addr(), 1))
	if d.dst.Addr().Is4() {
		options = append(options, recvWay4...)
	} else {
		options = append(options, recvWay6...)
	}
	if err := setOptions(fd, options); err != nil {
		return err
	}
	var err error
	d.spare, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	return err
}

func (d *dial) closeSpare() {
	if d.spare >= 0 {
		unix.Close(d.spare)
	}
	d.spare = -1
}

// readTold takes the ICMP error that ended the handshake off the queue.
func (d *dial) readTold() {
	var m message
	buf := make([]byte, 1) // the SYN itself is not wanted
	for {
		e, _, ok := m.readError(uintptr(d.spare), buf)
		if !ok {
			return
		}
		if !e.local {
			d.told = &e.icmp
		}
	}
}
