package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/ring"
	"netbox/trap"
)

// setRing is PACKET_RX_RING: a ring, or none for a request of no blocks.
func (p *packet) setRing(q abi.TpacketReq) unix.Errno {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q.BlockCount == 0 {
		if q.FrameCount != 0 {
			return unix.EINVAL
		}
		if p.ring != nil {
			p.ring.Close()
			p.ring = nil
		}
		return 0
	}
	if p.ring != nil {
		return unix.EBUSY
	}
	r, errno := ring.New(q, p.version, p.reserve)
	if errno != 0 {
		return errno
	}
	p.ring = r
	p.sock.in.clear()
	return 0
}

// putLocked puts a packet into the ring, and lets poll(2) tell of it.
func (p *packet) putLocked(r ring.Packet) {
	if !p.ring.Put(r) {
		p.full++
		return
	}
	p.packets++
	p.wakeLocked()
}

// wakeLocked makes the surrogate readable.
func (p *packet) wakeLocked() {
	if !p.woken && p.sock.sur.Push(nil, arrival{}) == 0 {
		p.woken = true
	}
}

// mmap is mmap(2) of a descriptor, shared and writable: a ring of a packet
// socket is mapped by its memory, everything else by the kernel.
func (e *Emulator) mmap(t trap.Task, c trap.Call) trap.Verdict {
	d, ok := e.find(t, c.Int32(4)).(*datagram)
	if !ok {
		return trap.Run()
	}
	p, ok := d.tr.(*packet)
	if !ok {
		return trap.Run()
	}
	page := uint64(unix.Getpagesize())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ring == nil || c.Args[5] != 0 || (c.Args[1]+page-1)&^(page-1) != uint64(p.ring.Size()) {
		return trap.Fail(unix.EINVAL)
	}
	file, errno := p.ring.File()
	if errno != 0 {
		return trap.Fail(errno)
	}
	p.fd = c.Int32(4)
	// From now on poll(2) is asked for, see readiness.
	i := &trap.Install{File: file, CloseOnExec: true, At: -1, TrapPolls: true, Use: func(fd int32) [6]uint64 {
		args := c.Args
		args[4] = uint64(fd)
		return args
	}}
	return i.Verdict()
}

// readiness is poll(2) and its kin, made by a process that has mapped a ring.
//
// The program takes packets out of the ring without a call, so nothing tells
// that it has taken the last one, and that the surrogate must not be readable
// any longer. What made it readable can only be taken by who holds it: so the
// program is made to, before it polls. The kernel then does the polling.
func (e *Emulator) readiness(t trap.Task, c trap.Call) trap.Verdict {
	if v := e.takeWakes(t, c); v != nil {
		return *v
	}
	return trap.Run()
}

// takeWakes takes the datagrams of rings out of which everything was taken; nil
// if there are none.
func (e *Emulator) takeWakes(t trap.Task, c trap.Call) *trap.Verdict {
	for _, p := range e.packets.all() {
		fd, stale := p.stale(t)
		if !stale {
			continue
		}
		r := &trap.Receive{FD: fd, Flags: unix.MSG_DONTWAIT, Gate: p.sock}
		r.Then = func(t trap.Task, _ int64, _ int, _ int32) trap.Verdict {
			p.wakeTaken()
			if v := e.takeWakes(t, c); v != nil {
				return *v
			}
			return trap.RunThen(&c.Args, nil)
		}
		v := r.Verdict()
		return &v
	}
	return nil
}

// stale says whether the surrogate is readable and the ring has nothing, and by
// which descriptor t holds it. One that t holds by another number than the ring
// was mapped by stays readable.
func (p *packet) stale(t trap.Task) (fd int32, yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.woken || p.fd < 0 {
		return -1, false
	}
	if p.ring != nil && p.ring.Ready() {
		if p.sock.sur.Queued() == 0 {
			// A read(2) has taken it.
			p.woken = false
			p.wakeLocked()
		}
		return -1, false
	}
	inode, errno := t.Inode(p.fd)
	return p.fd, errno == 0 && inode == p.sock.idn.inode
}

// wakeTaken notes that the surrogate is not readable, and makes it so if a
// packet has come meanwhile.
func (p *packet) wakeTaken() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.woken = false
	if p.ring != nil && p.ring.Ready() {
		p.wakeLocked()
	}
}
