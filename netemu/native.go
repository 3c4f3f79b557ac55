package netemu

import (
	"fmt"
	"iter"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/trap"
)

// unixNames decides which AF_UNIX addresses tasks may reach: those that were
// bound inside the sandbox, and the paths that the user allowed. All other
// sockets of the host (docker.sock, D-Bus, nscd, resolved) are doors out of the
// sandbox.
//
// The address is judged before the kernel reads it again, so a program with two
// threads can exchange it in between; docs/limits.md says what stands behind.
type unixNames struct {
	allowed map[string]bool

	mu       sync.Mutex
	files    map[fileID]bool
	abstract map[string]bool
}

// fileID names a socket file whatever its path.
type fileID struct{ dev, ino uint64 }

// maxUnixNames bounds the names that are remembered.
const maxUnixNames = 1 << 16

func newUnixNames(allow []string) *unixNames {
	u := &unixNames{allowed: make(map[string]bool), files: make(map[fileID]bool), abstract: make(map[string]bool)}
	for _, p := range allow {
		u.allowed[path.Clean(p)] = true
	}
	return u
}

// unixPath is the name in a sockaddr_un: abstract names start with a zero byte.
func unixPath(raw []byte) string {
	name := string(raw[2:])
	if name == "" || name[0] == 0 {
		return name
	}
	name, _, _ = strings.Cut(name, "\x00")
	return name
}

// file finds the socket file that the task means by name.
func (u *unixNames) file(t trap.Task, name string) (fileID, bool) {
	base := fmt.Sprintf("/proc/%d/cwd/", t.TID())
	if path.IsAbs(name) {
		base = fmt.Sprintf("/proc/%d/root", t.TID())
	}
	fi, err := os.Stat(base + name)
	if err != nil {
		return fileID{}, false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return fileID{uint64(st.Dev), st.Ino}, ok
}

// bound notes a name that a task has bound fd to. The file may have another one by
// now (haproxy makes its sockets so), if the call could not be told at its end.
func (u *unixNames) bound(t trap.Task, fd int32, name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.files)+len(u.abstract) >= maxUnixNames {
		return
	}
	if strings.HasPrefix(name, "\x00") {
		u.abstract[name] = true
		return
	}
	id, ok := u.file(t, name)
	if inode, errno := t.Inode(fd); !ok && errno == 0 {
		id, ok = boundFile(inode)
	}
	if ok {
		u.files[id] = true
	}
}

// reachable says whether a task may connect to name.
func (u *unixNames) reachable(t trap.Task, name string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if name == "" {
		return true
	}
	if name[0] == 0 {
		return u.abstract[name]
	}
	if u.allowed[path.Clean(name)] {
		return true
	}
	id, ok := u.file(t, name)
	return !ok || u.files[id]
}

// bindNative is bind(2) on a socket that is none of ours: an AF_UNIX one, or
// one that the program was started with.
func (e *Emulator) bindNative(t trap.Task, c trap.Call, raw []byte) trap.Verdict {
	fd := c.Int32(0)
	if f, errno := abi.Family(raw); errno != 0 || f != unix.AF_UNIX {
		if e.outside.Outside != nil {
			return refuseForeign(unix.SYS_BIND, fd, raw)
		}
		return judgeForeign(t, fd)
	}
	name := unixPath(raw)
	return trap.RunThen(nil, func(t trap.Task, ret int64) trap.Verdict {
		if ret == 0 {
			if name == "" {
				name = autobound(t, fd)
			}
			e.names.bound(t, fd, name)
		}
		return passOn(t, ret)
	})
}

// autobound is the abstract name that the kernel has chosen for fd
// (unix_autobind), as /proc/net/unix tells it.
func autobound(t trap.Task, fd int32) string {
	inode, errno := t.Inode(fd)
	if errno != 0 {
		return ""
	}
	for f := range unixSockets(inode) {
		if len(f) == 8 && strings.HasPrefix(f[7], "@") {
			return "\x00" + f[7][1:]
		}
	}
	return ""
}

// connectNative is connect(2) on a socket that is none of ours. An inet socket
// that the program was started with must not lead out of the sandbox.
func (e *Emulator) connectNative(t trap.Task, fd int32, raw []byte) trap.Verdict {
	return e.reachNative(t, fd, raw, func() trap.Verdict {
		if e.outside.Outside == nil {
			return trap.Run()
		}
		return connectUnix(t, fd, raw)
	})
}

// reachNative goes on with permitted if the task may reach the address.
func (e *Emulator) reachNative(t trap.Task, fd int32, raw []byte, permitted func() trap.Verdict) trap.Verdict {
	if f, errno := abi.Family(raw); errno != 0 || f != unix.AF_UNIX {
		if e.outside.Outside != nil {
			return refuseForeign(unix.SYS_CONNECT, fd, raw)
		}
		return judgeForeign(t, fd)
	}
	name := unixPath(raw)
	if e.names.reachable(t, name) {
		return permitted()
	}
	if _, errno := t.Inode(fd); errno != 0 {
		return trap.Fail(errno)
	}
	e.ledger.count(t, "unix socket", strings.ReplaceAll(name, "\x00", "@"))
	return trap.Fail(unix.ECONNREFUSED)
}

// judgeForeign lets the kernel refuse an address that is no AF_UNIX one on an
// AF_UNIX socket. EACCES on any other: it would lead out of the sandbox.
func judgeForeign(t trap.Task, fd int32) trap.Verdict {
	inode, errno := t.Inode(fd)
	if errno != 0 {
		return trap.Run()
	}
	for range unixSockets(inode) {
		return trap.Run()
	}
	return trap.Fail(unix.EACCES)
}

// unixSockets yields the lines of /proc/net/unix about inode, in fields.
func unixSockets(inode uint64) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		list, err := os.ReadFile("/proc/net/unix")
		if err != nil {
			return
		}
		number := fmt.Sprint(inode)
		for line := range strings.Lines(string(list)) {
			f := strings.Fields(line)
			if len(f) >= 7 && f[6] == number && !yield(f) {
				return
			}
		}
	}
}

// sendNative is sendto(2), sendmsg(2) or sendmmsg(2) on a socket that is none
// of ours: an address with it is judged as connect's is.
func (e *Emulator) sendNative(t trap.Task, c trap.Call) trap.Verdict {
	if _, errno := t.Inode(c.Int32(0)); errno != 0 {
		return e.runSend(c)
	}
	switch c.NR {
	case unix.SYS_SENDTO:
		return e.judgeName(t, c, c.Pointer(4), c.Int32(5))
	case unix.SYS_SENDMSG:
		h, errno := copyMsghdr(t, c.Pointer(1))
		if errno != 0 {
			return trap.Fail(errno)
		}
		return e.judgeName(t, c, h.Name, int32(h.NameLen))
	}
	for i := uint64(0); i < min(c.Args[2]&0xffffffff, maxIovec); i++ {
		h, errno := copyMsghdr(t, c.Pointer(1)+i*abi.SizeofMMsghdr)
		if errno != 0 {
			break
		}
		if v := e.judgeName(t, c, h.Name, int32(h.NameLen)); v.Kind != trap.KindNative {
			return v
		}
	}
	return e.runSend(c)
}

func (e *Emulator) judgeName(t trap.Task, c trap.Call, addr uint64, length int32) trap.Verdict {
	if addr == 0 || length < 2 {
		return e.runSend(c)
	}
	raw, errno := copyAddress(t, addr, length)
	if errno != 0 {
		return trap.Fail(errno)
	}
	if f, _ := abi.Family(raw); e.outside.Outside != nil && f != unix.AF_UNIX {
		return onUnix(c.Int32(0), func(trap.Task, int) unix.Errno { return unix.EINVAL }) // unix_validate_addr
	}
	return e.reachNative(t, c.Int32(0), raw, func() trap.Verdict { return e.runSend(c) })
}
