package netemu

import (
	"encoding/binary"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"netbox/netemu/procfs"
	"netbox/trap"
)

// opening is an open(2) of any kind.
type opening struct {
	dir   int32  // a relative path starts there
	path  uint64 // address
	flags uint64
	// scoped: openat2(2) is told to take the path otherwise than others do.
	scoped bool
}

// open is open(2), creat(2), openat(2) and openat2(2). Nearly all are the
// kernel's: what is done for those is what programs pay for.
func (e *Emulator) open(t trap.Task, c trap.Call) trap.Verdict {
	o, ok := parseOpening(t, c)
	if !ok {
		return trap.Run()
	}
	text, errno := t.ReadPath(o.path)
	if errno != 0 {
		return trap.Run() // the kernel says why
	}
	var base []byte
	if len(text) > 0 && text[0] != '/' {
		if base, errno = t.Path(o.dir); errno != 0 {
			return e.runAndLook(o) // no descriptor, or too deep a directory to have a path
		}
		base = e.mirror.virtual(base)
	}
	answer, name := procfs.Judge(base, text, t.PID(), t.TID())
	switch {
	case answer == procfs.Inside && !o.scoped:
		return e.openInside(name, o.flags)
	case answer == procfs.Unsure || o.scoped || e.misled.Load():
		return e.runAndLook(o)
	}
	return trap.Run()
}

// runAndLook lets the kernel open the file first.
func (e *Emulator) runAndLook(o opening) trap.Verdict {
	return trap.RunThen(nil, func(t trap.Task, ret int64) trap.Verdict { return e.opened(t, ret, o.flags) })
}

// parseOpening reads the arguments; false if they make no open.
func parseOpening(t trap.Task, c trap.Call) (opening, bool) {
	if o, ok := parseLegacyOpening(c); ok {
		return o, true
	}
	o := opening{dir: c.Int32(0), path: c.Pointer(1), flags: uint64(uint32(c.Args[2]))}
	if c.NR == unix.SYS_OPENAT2 {
		// struct open_how: flags, mode, resolve.
		var how [unix.SizeofOpenHow]byte
		if t.ReadMemory(c.Pointer(2), how[:]) != 0 {
			return o, false
		}
		o.flags = binary.NativeEndian.Uint64(how[:])
		o.scoped = binary.NativeEndian.Uint64(how[16:])&(unix.RESOLVE_IN_ROOT|unix.RESOLVE_BENEATH) != 0
	}
	return o, true
}

// opened looks at what the kernel has opened: a file of the sandbox's takes the
// place of the host's.
func (e *Emulator) opened(t trap.Task, ret int64, flags uint64) trap.Verdict {
	if ret < 0 {
		return trap.Fail(unix.Errno(-ret))
	}
	opened, errno := t.Path(int32(ret))
	if errno != 0 {
		return trap.Done(ret) // closed by another thread
	}
	answer, name := procfs.Judge(nil, e.mirror.virtual(opened), t.PID(), t.TID())
	if answer != procfs.Inside {
		return trap.Done(ret)
	}
	// The host's file goes first: it must not stay if there is no way to put
	// another one in its place. Its number is the lowest free one then.
	c := &trap.Close{FD: int32(ret), Next: e.openInside(name, flags)}
	return c.Verdict()
}

// openInside opens a file of the sandbox's.
func (e *Emulator) openInside(name string, flags uint64) trap.Verdict {
	node, ok := procfs.Lookup(procSource{e}, name)
	if ok && node.Link != "" && flags&unix.O_NOFOLLOW == 0 {
		name = path.Join(path.Dir(name), node.Link)
		node, ok = procfs.Lookup(procSource{e}, name)
	}
	var errno unix.Errno
	if ok {
		errno = mayOpen(node, flags)
	} else {
		errno = missing(procSource{e}, name)
	}
	file := -1
	switch {
	case errno != 0:
	case node.Mode.Type() == 0:
		file, errno = snapshot(node.Read(procSource{e}), name, node.Mode, flags)
	default:
		file, errno = e.mirror.open(procSource{e}, name, int(flags))
	}
	if errno != 0 {
		return trap.Fail(errno)
	}
	i := &trap.Install{File: file, At: -1, CloseOnExec: flags&unix.O_CLOEXEC != 0}
	return i.Verdict()
}

// missing is the errno of a name that is not in the tree: ENOTDIR below a file.
func missing(s procfs.Source, name string) unix.Errno {
	if above, ok := procfs.Lookup(s, path.Dir(name)); ok && above.Mode.Type() == 0 {
		return unix.ENOTDIR
	}
	return unix.ENOENT
}

// mayOpen makes the checks of path_openat and may_open (fs/namei.c). The files
// cannot be written, as those of a /proc/sys that is mounted read-only.
func mayOpen(n procfs.Node, flags uint64) unix.Errno {
	if flags&unix.O_PATH != 0 {
		flags &= unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW
	}
	writes, isFile := flags&unix.O_ACCMODE != unix.O_RDONLY, n.Mode.Type() == 0
	root := os.Geteuid() == 0
	switch {
	case flags&unix.O_CREAT != 0 && flags&unix.O_EXCL != 0:
		return unix.EEXIST
	case isFile && flags&unix.O_DIRECTORY != 0:
		return unix.ENOTDIR
	case n.Mode.IsDir() && (writes || flags&unix.O_CREAT != 0):
		return unix.EISDIR
	case writes && (!root || n.Mode&anyWrite == 0):
		return unix.EACCES
	case writes:
		return unix.EROFS
	case isFile && (n.Mode&anyRead == 0 || n.Mode&othersRead == 0 && !root):
		return unix.EACCES
	}
	return 0
}

const (
	anyWrite   fs.FileMode = 0o222
	anyRead    fs.FileMode = 0o444
	othersRead fs.FileMode = 0o004
)

// snapshot is an open file with these contents that nobody can change.
func snapshot(contents []byte, name string, mode fs.FileMode, flags uint64) (int, unix.Errno) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, toErrno(err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if _, err = f.Write(contents); err == nil {
		err = unix.Fchmod(fd, uint32(mode.Perm()&anyRead))
	}
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_WRITE|unix.F_SEAL_GROW|unix.F_SEAL_SHRINK)
	}
	if err != nil {
		return -1, toErrno(err)
	}
	// A second one, with its own position and without the right to write.
	reading, err := unix.Open(descriptorPath(fd), unix.O_RDONLY|unix.O_CLOEXEC|int(flags)&unix.O_NONBLOCK, 0)
	return reading, toErrno(err)
}
