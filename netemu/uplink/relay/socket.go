package relay

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/quick"
)

// Host is a TCP connection of the host's kernel: a [Socket], or a *net.TCPConn.
type Host interface {
	io.WriteCloser
	syscall.Conn
	CloseWrite() error // FIN
	SetDeadline(t time.Time) error
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
	SetLinger(seconds int) error
	SetNoDelay(on bool) error
}

// Socket is a descriptor of a TCP socket, with the methods of a Host. Package net's
// own connections bind(2) before they connect, for which the kernel goes over all
// that use the port, set options that nobody has asked for, and take half a dozen
// calls where one does.
type Socket struct {
	*os.File
	raw syscall.RawConn
}

var _ Host = (*Socket)(nil)

// NewSocket takes a descriptor over, which does not block.
func NewSocket(fd int) (*Socket, error) {
	s := &Socket{File: os.NewFile(uintptr(fd), "host")}
	var err error
	if s.raw, err = s.File.SyscallConn(); err != nil {
		s.Close()
		return nil, fmt.Errorf("host socket: %w", err)
	}
	return s, nil
}

// SyscallConn implements syscall.Conn.
func (s *Socket) SyscallConn() (syscall.RawConn, error) { return s.raw, nil }

// Write implements io.Writer; unlike a file's it makes no SIGPIPE.
func (s *Socket) Write(p []byte) (done int, err error) {
	werr := s.raw.Write(func(fd uintptr) bool {
		for done < len(p) {
			var n int
			n, err = quick.Send(int(fd), p[done:])
			switch {
			case err == nil:
				done += n
			case err == unix.EAGAIN:
				return false
			default:
				return true
			}
		}
		return true
	})
	if werr != nil {
		return done, werr
	}
	return done, err
}

// CloseWrite implements Host.
func (s *Socket) CloseWrite() error {
	return s.control(func(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) })
}

// SetLinger implements Host, as net.TCPConn's SetLinger.
func (s *Socket) SetLinger(seconds int) error {
	l := &unix.Linger{Onoff: 1, Linger: int32(seconds)}
	return s.control(func(fd int) error { return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, l) })
}

// SetNoDelay implements Host.
func (s *Socket) SetNoDelay(on bool) error {
	value := 0
	if on {
		value = 1
	}
	return s.control(func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_NODELAY, value) })
}

// Await waits until done is true of the socket, which is asked now, and after each
// edge towards writable.
func (s *Socket) Await(done func(fd int) bool) error {
	return s.raw.Write(func(fd uintptr) bool { return done(int(fd)) })
}

// Control calls f with the descriptor.
func (s *Socket) Control(f func(fd int)) error {
	return s.raw.Control(func(fd uintptr) { f(int(fd)) })
}

func (s *Socket) control(f func(fd int) error) (err error) {
	if cerr := s.Control(func(fd int) { err = f(fd) }); cerr != nil {
		return cerr
	}
	return err
}

// Sockaddr is an address as the kernel's calls want it.
func Sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// AddrPort is the address that the kernel tells, invalid if it is not one of IP.
func AddrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
