package publish

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
	"netbox/netemu/uplink/relay"
)

const (
	// maxFlows bounds open connections to all published ports together: a
	// descriptor, two goroutines and 4 KiB each, about 256 MiB in all.
	maxFlows = 16384
	// dialTimeout is for a handshake inside this process, which takes
	// microseconds unless the program's backlog is full. Linux drops the SYN
	// then and the client asks again for 127 s; a client that was accepted
	// already should learn sooner that nobody takes it.
	dialTimeout = 30 * time.Second
	// acceptPause is how long to wait after an accept(2) that failed for want
	// of descriptors or memory, before the next.
	acceptPause = 50 * time.Millisecond
)

// keepAlive asks the kernel to look for clients that have vanished: the
// program's own SO_KEEPALIVE would only ever find the gateway. It is Linux's
// default (tcp_keepalive_time, _intvl, _probes), and RFC 1122 section
// 4.2.3.6's least. What is accepted has it from its listener.
func keepAlive(_, _ string, c syscall.RawConn) (err error) {
	cerr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1) })
	return errors.Join(cerr, err)
}

// tcpPort is one listening socket of the host.
type tcpPort struct {
	*Server
	spec     Spec
	addr     netip.AddrPort
	listener *os.File
	raw      syscall.RawConn
}

func (s *Server) openTCP(spec Spec, at netip.AddrPort) error {
	lc := net.ListenConfig{KeepAlive: -1, Control: keepAlive}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(s.ctx, network("tcp", at), at.String())
	if err != nil {
		return err
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File() // whose descriptor can be waited for
	if err != nil {
		return err
	}
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return err
	}
	s.tcp = append(s.tcp, &tcpPort{Server: s, spec: spec, listener: f, raw: raw, addr: l.Addr().(*net.TCPAddr).AddrPort()})
	return nil
}

// network names one IP version, so that [::] leaves v4 to the other socket.
func network(proto string, at netip.AddrPort) string {
	if at.Addr().Is4() {
		return proto + "4"
	}
	return proto + "6"
}

func (p *tcpPort) serve() {
	for {
		host, client, err := p.accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			p.log.Warn("accept", "port", p.spec, "err", err)
			select {
			case <-time.After(acceptPause):
				continue
			case <-p.ctx.Done():
				return
			}
		}
		if !p.flows.Add(host) {
			p.count.tcpNoRoom.Add(1)
			relay.Reset(host)
			continue
		}
		if !p.running.Go(func() { p.carry(host, client) }) {
			p.flows.Remove(host)
			relay.Reset(host)
		}
	}
}

// accept waits for a client. net.ErrClosed: the port is closed.
func (p *tcpPort) accept() (host *relay.Socket, client netip.AddrPort, err error) {
	var fd int
	var from unix.Sockaddr
	closed := p.raw.Read(func(l uintptr) bool {
		for {
			fd, from, err = unix.Accept4(int(l), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			switch err {
			case unix.EINTR, unix.ECONNABORTED:
			default:
				return err != unix.EAGAIN
			}
		}
	})
	if closed != nil {
		return nil, client, net.ErrClosed
	}
	if err == nil {
		host, err = relay.NewSocket(fd)
	}
	return host, relay.AddrPort(from), err
}

// carry is the life of one connection.
func (p *tcpPort) carry(host *relay.Socket, client netip.AddrPort) {
	defer p.flows.Remove(host)
	box, short, err := p.dial(host, client.Addr())
	if err != nil {
		p.count.tcpUnanswered.Add(1)
		p.log.Debug("nothing answers in the sandbox", "port", p.spec, "client", client, "err", err)
		relay.Reset(host)
		return
	}
	p.count.tcpFlows.Add(1)
	sent := relay.TCP(host, box, relay.Options{
		Outward: func() { p.flows.EndOutward(host) }, Shortcut: short, Go: p.running.Go,
	})
	p.log.Debug("published connection closed", "port", p.spec, "client", client, "out", sent.Outward, "in", sent.Inward, "fast", short.Taken())
}

// dial connects to the program, and offers it the way past the stacks before it can
// see the connection.
func (p *tcpPort) dial(host relay.Host, client netip.Addr) (stack.Conn, *relay.Shortcut, error) {
	ctx, cancel := context.WithTimeout(p.ctx, dialTimeout)
	defer cancel()
	var errs []error
	for _, way := range paths(client, p.spec.Port) {
		var short *relay.Shortcut
		box, err := p.dialer.DialTCP(ctx, way.local, way.remote, func(local netip.AddrPort) {
			short = p.fast.Offer(relay.Ends{Local: way.remote, Remote: local}, host)
		})
		if err == nil {
			return box, short, nil
		}
		short.Withdraw()
		errs = append(errs, err)
	}
	return nil, nil, errors.Join(errs...)
}
