package netemu

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"netbox/netemu/procfs"
)

// mirror is a real directory with the names of procfs's tree, for programs
// that open a directory of it: readdir(3) and fstatat(2) are the kernel's. Its
// files are empty; opening one gives the contents, since a path in the mirror
// is one in the tree. It is made when it is first asked for, and anew when the
// names have changed, beside the older ones: programs may still have those open.
type mirror struct {
	mu      sync.Mutex
	root    []byte // empty until made
	current string // the latest below root
	names   []procfs.Entry
	made    int
}

// virtual is the path in the tree of a path in the mirror; others stay as they
// are.
func (m *mirror) virtual(path []byte) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.root) == 0 {
		return path
	}
	rest, ok := bytes.CutPrefix(path, m.root)
	if !ok || len(rest) == 0 || rest[0] != '/' {
		return path
	}
	if i := bytes.IndexByte(rest[1:], '/'); i >= 0 {
		return rest[1+i:]
	}
	return path
}

// open opens a directory of the tree, or with O_PATH a link.
func (m *mirror) open(s procfs.Source, name string, flags int) (int, unix.Errno) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.renew(s); err != nil {
		return -1, unix.EACCES
	}
	const passed = unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_PATH | unix.O_NONBLOCK
	fd, err := unix.Open(m.current+name, unix.O_RDONLY|unix.O_CLOEXEC|flags&passed, 0)
	if err != nil {
		return -1, toErrno(err)
	}
	return fd, 0
}

// renew makes the mirror if there is none of the names there are now.
func (m *mirror) renew(s procfs.Source) error {
	names := procfs.List(s)
	same := func(a, b procfs.Entry) bool { return a.Name == b.Name }
	if m.made > 0 && slices.EqualFunc(names, m.names, same) {
		return nil
	}
	if len(m.root) == 0 {
		root, err := os.MkdirTemp("", "netbox-proc-")
		if err != nil {
			return err
		}
		if root, err = filepath.EvalSymlinks(root); err != nil {
			return err
		}
		m.root = []byte(root)
		// Programs of other users look in, too.
		if err = os.Chmod(root, 0o755); err != nil {
			return err
		}
	}
	m.made++
	m.current = filepath.Join(string(m.root), strconv.Itoa(m.made))
	for _, e := range names {
		if err := m.add(e); err != nil {
			return fmt.Errorf("mirror of /proc/net: %w", err)
		}
	}
	m.names = names
	return nil
}

func (m *mirror) add(e procfs.Entry) error {
	at := m.current + e.Name
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	if e.Node.Link != "" {
		return os.Symlink(e.Node.Link, at)
	}
	return os.WriteFile(at, nil, e.Node.Mode.Perm()&anyRead)
}

// close removes the mirror.
func (m *mirror) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.root) == 0 {
		return nil
	}
	return os.RemoveAll(string(m.root))
}

func descriptorPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// toErrno is the errno in an error of the os package or of unix.
func toErrno(err error) unix.Errno {
	var errno unix.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &errno):
		return errno
	}
	return unix.EIO
}
