package netlink

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/rtnl"
)

// peer is a netlink socket: the kernel's, or the server's.
type peer interface {
	set(t testing.TB, options ...int)
	// ask sends one datagram and returns the datagrams of the answer and the
	// port id that they are for.
	ask(t testing.TB, request []byte) (datagrams [][]byte, port uint32)
}

// kernelPeer is a real netlink socket in the namespace of the test.
type kernelPeer struct {
	fd   int
	port uint32
	end  []byte // what to ask to see the end of an answer
}

// receiveTimeout is how long a kernel answer may take; the kernel answers
// before send returns, so the value only has to outlast a busy machine.
const receiveTimeout = 5 * time.Second

func openKernel(t testing.TB) *kernelPeer {
	t.Helper()
	return openKernelOf(t, unix.NETLINK_ROUTE, endOfAnswers)
}

func openKernelOf(t testing.TB, protocol int, end []byte) *kernelPeer {
	t.Helper()
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	tv := unix.NsecToTimeval(int64(receiveTimeout))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		t.Fatal(err)
	}
	return &kernelPeer{fd, name.(*unix.SockaddrNetlink).Pid, end}
}

func (k *kernelPeer) set(t testing.TB, options ...int) {
	t.Helper()
	for _, o := range options {
		if err := unix.SetsockoptInt(k.fd, unix.SOL_NETLINK, o, 1); err != nil {
			t.Fatalf("option %d: %v", o, err)
		}
	}
}

// endOfAnswers is a request that the kernel acknowledges behind all that an
// earlier one has brought: RTM_GETNSID without a reference, with another
// sequence number.
var endOfAnswers = func() []byte {
	b := message(unix.RTM_GETNSID, unix.NLM_F_REQUEST|unix.NLM_F_ACK, make([]byte, 4))
	b[8] = 99
	return b
}()

func (k *kernelPeer) ask(t testing.TB, request []byte) ([][]byte, uint32) {
	t.Helper()
	to := &unix.SockaddrNetlink{Family: unix.AF_NETLINK}
	if err := unix.Sendto(k.fd, request, 0, to); err != nil {
		t.Fatalf("send: %v", err)
	}
	var all [][]byte
	asked := false
	for {
		buf := make([]byte, 1<<16)
		flags := 0
		if !asked {
			flags = unix.MSG_DONTWAIT
		}
		n, _, err := unix.Recvfrom(k.fd, buf, flags)
		if errors.Is(err, unix.EAGAIN) && !asked {
			// A dump goes on in recvmsg, so that here nothing is left to come.
			asked = true
			if err := unix.Sendto(k.fd, k.end, 0, to); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("receive: %v", err)
		}
		if buf[8] == k.end[8] {
			return all, k.port
		}
		all = append(all, buf[:n])
	}
}

// serverPeer is a socket of the Server.
type serverPeer struct{ conn *Conn }

func openServer(t testing.TB, host *rtnl.Host) serverPeer {
	t.Helper()
	return openServerOf(t, NewServer(host), unix.NETLINK_ROUTE)
}

func openServerOf(t testing.TB, server *Server, protocol int) serverPeer {
	t.Helper()
	conn, errno := server.Open(protocol)
	if errno != 0 {
		t.Fatal(errno)
	}
	t.Cleanup(conn.Close)
	if errno := conn.Bind(0, 0); errno != 0 {
		t.Fatal(errno)
	}
	return serverPeer{conn}
}

func (s serverPeer) set(t testing.TB, options ...int) {
	t.Helper()
	for _, o := range options {
		if errno := s.conn.SetOption(o, []byte{1, 0, 0, 0}); errno != 0 {
			t.Fatalf("option %d: %v", o, errno)
		}
	}
}

func (s serverPeer) ask(t testing.TB, request []byte) ([][]byte, uint32) {
	t.Helper()
	datagrams, errno := s.conn.Send(request)
	if errno != 0 {
		t.Fatal(errno)
	}
	port, _ := s.conn.Local()
	return datagrams, port
}
