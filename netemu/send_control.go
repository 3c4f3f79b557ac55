package netemu

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
	"netbox/trap"
)

// sendControl decodes the control messages of a sendmsg(2) to to (nil: the peer).
// A socket looks at those of its own address family and at SOL_SOCKET's.
func (d *datagram) sendControl(t trap.Task, control []byte, to *abi.Sockaddr) (*stack.SendControl, unix.Errno) {
	if len(control) == 0 {
		return nil, 0
	}
	out := &stack.SendControl{TTL: -1, HopLimit: -1}
	isIPv4 := d.leavesByIPv4(to)
	for m, errno := range abi.Cmsgs(control) {
		if errno != 0 {
			return nil, errno
		}
		if errno := d.addSendControl(t, out, m, to); errno != 0 {
			d.e.ledger.count(t, "control message", optionKey{m.Level, m.Type})
			return nil, errno
		}
		if errno := d.checkPktInfo(out.PktInfo, isIPv4); errno != 0 {
			return nil, errno
		}
	}
	if isIPv4 && d.noDevice(out.PktInfo) {
		return nil, unix.ENODEV // of the route, behind all messages
	}
	return out, 0
}

func (d *datagram) noDevice(p *stack.PktInfo) bool {
	return p != nil && p.NIC != 0 && !d.e.hasInterface(p.NIC)
}

func (e *Emulator) hasInterface(index int32) bool {
	return slices.ContainsFunc(e.stack.Interfaces(), func(i stack.Interface) bool { return i.Index == index })
}

// checkPktInfo says whether a datagram may have the source p, nil: any.
func (d *datagram) checkPktInfo(p *stack.PktInfo, isIPv4 bool) unix.Errno {
	switch {
	case p == nil:
	case !isIPv4 && d.noDevice(p):
		return unix.ENODEV
	case p.Local.Is6() && p.Local.Is4In6() != isIPv4:
		return unix.EINVAL
	case p.Local.Is6() && !p.Local.Is4In6() && (p.Local.IsMulticast() || !d.e.local(p.Local)):
		return unix.EINVAL
	}
	return 0
}

// leavesByIPv4 says whether a datagram to to, nil: to the peer, is one of IPv4.
func (d *datagram) leavesByIPv4(to *abi.Sockaddr) bool {
	if to == nil {
		peer, errno := d.tr.peer()
		return errno == 0 && peer.Addr.Addr().Unmap().Is4()
	}
	return to.Addr.Addr().Unmap().Is4()
}

func (d *datagram) addSendControl(t trap.Task, out *stack.SendControl, m abi.Cmsg, to *abi.Sockaddr) unix.Errno {
	mapped := d.idn.family == unix.AF_INET6 && d.leavesByIPv4(to)
	switch {
	case m.Level == unix.SOL_SOCKET:
		if d.idn.family == unix.AF_NETLINK {
			return netlinkControl(t, m)
		}
		return socketControl(m)
	case m.Level == unix.SOL_IP && (d.idn.family == unix.AF_INET || mapped):
		return addControl4(out, m)
	case mapped && m.Level == unix.SOL_IPV6 && m.Type == unix.IPV6_PKTINFO,
		m.Level == unix.SOL_IPV6 && d.idn.family == unix.AF_INET6 && !mapped:
		return addControl6(out, m)
	}
	return 0
}

// socketControl is __sock_cmsg_send: descriptors and credentials are passed over.
func socketControl(m abi.Cmsg) unix.Errno {
	if m.Type == unix.SCM_RIGHTS || m.Type == unix.SCM_CREDENTIALS {
		return 0
	}
	return unix.EINVAL
}

// netlinkControl is __scm_send: t may say who it is.
func netlinkControl(t trap.Task, m abi.Cmsg) unix.Errno {
	if m.Type != unix.SCM_CREDENTIALS || len(m.Data) != abi.SizeofUcred {
		return unix.EINVAL
	}
	c, _ := abi.ParseUcred(m.Data)
	p, ok := privilegeOf(t.TID())
	if !ok {
		return unix.EPERM
	}
	return p.mayClaim(c)
}

// addControl4 is ip_cmsg_send.
func addControl4(out *stack.SendControl, m abi.Cmsg) unix.Errno {
	switch m.Type {
	case unix.IP_TTL:
		v, errno := controlInt(m, 1, 255)
		out.TTL = int(v)
		return errno
	case unix.IP_TOS:
		// The mark changes nothing that a peer of the sandbox could see.
		if len(m.Data) == 1 {
			return 0
		}
		_, errno := controlInt(m, 0, 255)
		return errno
	case unix.IP_PKTINFO:
		p, errno := abi.ParseInPktinfo(m.Data)
		out.PktInfo = &stack.PktInfo{NIC: lastInterface(p.NIC, out.PktInfo), Local: specified(p.Local)}
		return errno
	}
	return unix.EINVAL
}

// addControl6 is ip6_datagram_send_ctl.
func addControl6(out *stack.SendControl, m abi.Cmsg) unix.Errno {
	switch m.Type {
	case unix.IPV6_HOPLIMIT:
		v, errno := controlInt(m, -1, 255)
		out.HopLimit = int(v)
		return errno
	case unix.IPV6_TCLASS:
		_, errno := controlInt(m, -1, 255) // as IP_TOS
		return errno
	case unix.IPV6_PKTINFO:
		p, errno := abi.ParseIn6Pktinfo(m.Data)
		out.PktInfo = &stack.PktInfo{NIC: lastInterface(p.NIC, out.PktInfo), Local: specified(p.Addr)}
		return errno
	}
	return unix.EINVAL
}

// lastInterface is nic, or, where that is 0, the one of an earlier message.
func lastInterface(nic int32, earlier *stack.PktInfo) int32 {
	if nic == 0 && earlier != nil {
		return earlier.NIC
	}
	return nic
}

// controlInt is the int of a control message; EINVAL outside of least to most, or
// if it is not the whole payload.
func controlInt(m abi.Cmsg, least, most int32) (int32, unix.Errno) {
	v, errno := abi.ParseInt(m.Data)
	if errno == 0 && (len(m.Data) != abi.SizeofInt || v < least || v > most) {
		errno = unix.EINVAL
	}
	return v, errno
}

// specified is a, or the invalid address for the wildcard.
func specified(a netip.Addr) netip.Addr {
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}
