package netemu

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// boundFile asks the kernel for the file that an AF_UNIX socket is bound to
// (sock_diag(7)). Of file systems whose files have other numbers in stat(2), as
// overlayfs has, it is no file that anybody finds.
func boundFile(inode uint64) (fileID, bool) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return fileID{}, false
	}
	defer unix.Close(fd)
	answer := make([]byte, unix.Getpagesize())
	err = unix.Sendto(fd, unixDiagRequest(uint32(inode)), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	if err != nil {
		return fileID{}, false
	}
	n, _, err := unix.Recvfrom(fd, answer, unix.MSG_DONTWAIT) // it is there when sendto returns
	if err != nil || n < unix.SizeofNlMsghdr || binary.NativeEndian.Uint16(answer[4:]) != unix.SOCK_DIAG_BY_FAMILY {
		return fileID{}, false
	}
	return vfsOf(answer[:n])
}

// <linux/unix_diag.h>: struct unix_diag_req is family 0:1, protocol 1:2, pad, states
// 4:8, inode 8:12, show 12:16, cookie 16:24; struct unix_diag_msg has 16 bytes;
// struct unix_diag_vfs, of UNIX_DIAG_VFS, is inode 0:4, device 4:8.
const (
	unixDiagReqLen  = 24
	unixDiagMsgLen  = 16
	unixDiagShowVFS = 2
	unixDiagVFS     = 1
	minorBits       = 20 // MINORBITS of <linux/kdev_t.h>
)

func unixDiagRequest(inode uint32) []byte {
	b := make([]byte, unix.SizeofNlMsghdr+unixDiagReqLen)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST)
	q := b[unix.SizeofNlMsghdr:]
	q[0] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(q[4:], ^uint32(0))
	binary.NativeEndian.PutUint32(q[8:], inode)
	binary.NativeEndian.PutUint32(q[12:], unixDiagShowVFS)
	binary.NativeEndian.PutUint64(q[16:], ^uint64(0)) // INET_DIAG_NOCOOKIE
	return b
}

func vfsOf(b []byte) (fileID, bool) {
	for b = b[min(len(b), unix.SizeofNlMsghdr+unixDiagMsgLen):]; len(b) >= unix.SizeofNlAttr; {
		n := int(binary.NativeEndian.Uint16(b))
		if n < unix.SizeofNlAttr || n > len(b) {
			break
		}
		if value := b[unix.SizeofNlAttr:n]; binary.NativeEndian.Uint16(b[2:]) == unixDiagVFS && len(value) >= 8 {
			dev := binary.NativeEndian.Uint32(value[4:])
			return fileID{unix.Mkdev(dev>>minorBits, dev&(1<<minorBits-1)), uint64(binary.NativeEndian.Uint32(value))}, true
		}
		b = b[min(len(b), (n+3)&^3):]
	}
	return fileID{}, false
}
