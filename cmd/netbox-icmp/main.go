// Netbox-icmp sends ICMP echo requests for netbox, which has no capability
// itself. It is the one program of the project that is given CAP_NET_RAW:
//
//	sudo setcap cap_net_raw+ep netbox-icmp
//
// It opens its raw sockets, gives up every privilege for good ([lock]), and
// only then reads its first request. Started by anyone, it can send nothing
// but echo requests to unicast addresses, at a bounded pace, and tells the
// caller nothing but the answers to those.
//
// netbox starts it with a socket at descriptor 3, over which package icmp's
// helper protocol is spoken, and ends it by closing the other end.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"netbox/icmp"
)

// Exit codes. 0: netbox hung up.
const (
	exitFailed   = 1
	exitNotSelf  = 2 // started by hand
	exitProtocol = 3 // the other side does not speak the protocol
)

func main() {
	// One thread does all the work. Setting it also stops the runtime from
	// reading the container's CPU limit anew every second, for which the
	// filter has no room.
	runtime.GOMAXPROCS(1)
	runtime.LockOSThread()
	if !isConversation(icmp.HelperFD) {
		fmt.Fprint(os.Stderr, "netbox-icmp sends pings for netbox and is started by it, not by hand.\n"+
			"It needs one capability: sudo setcap cap_net_raw+ep netbox-icmp\n"+
			"See also: netbox doctor\n")
		os.Exit(exitNotSelf)
	}
	os.Exit(run())
}

func run() int {
	engine, err := prepare()
	if err != nil {
		return fail(exitFailed, err)
	}
	defer engine.Close()
	if err := engine.Serve(icmp.HelperFD); err != nil {
		return fail(exitProtocol, err)
	}
	return 0
}

// prepare does what needs privileges and then gives them up.
func prepare() (*icmp.Engine, error) {
	if err := closeInherited(); err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(icmp.HelperFD, true); err != nil {
		return nil, err
	}
	engine, err := icmp.OpenEngine()
	if err != nil {
		return nil, err
	}
	if err := lock(); err != nil {
		return nil, fmt.Errorf("could not give up privileges: %w", err)
	}
	return engine, nil
}

func fail(code int, err error) int {
	fmt.Fprintln(os.Stderr, "netbox-icmp:", err)
	return code
}

// isConversation tells whether fd is a connected AF_UNIX SOCK_SEQPACKET
// socket.
func isConversation(fd int) bool {
	domain, err1 := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	typ, err2 := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	_, err3 := unix.Getpeername(fd)
	return errors.Join(err1, err2, err3) == nil && domain == unix.AF_UNIX && typ == unix.SOCK_SEQPACKET
}

// closeInherited closes every descriptor behind the helper's own: whoever
// started it may have left some without close-on-exec. The Go runtime has
// none open there yet that it cannot do without: reading the directory by
// package os would start its poller, so this does without. (close_range(2)
// is newer than some kernels and container profiles.)
func closeInherited() error {
	dir, err := unix.Open("/proc/self/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /proc/self/fd: %w", err)
	}
	var names []string
	buffer := make([]byte, 4096)
	for {
		n, err := unix.ReadDirent(dir, buffer)
		if err != nil {
			return fmt.Errorf("read /proc/self/fd: %w", err)
		}
		if n == 0 {
			break
		}
		_, _, names = unix.ParseDirent(buffer[:n], -1, names)
	}
	for _, name := range names {
		if fd, err := strconv.Atoi(name); err == nil && fd > icmp.HelperFD {
			unix.Close(fd)
		}
	}
	return nil
}
