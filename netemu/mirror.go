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
//
// Programs of the same user can change what lies there, also while it is made.
// So the supervisor goes by the descriptors of the directories that it has made
// (see below), and makes files only where nothing is: what is planted can
// neither lead it elsewhere nor hold it.
type mirror struct {
	mu   sync.Mutex
	root []byte // empty until made
	dir  int    // O_PATH of root
	made []generation
}

// maxGenerations bounds how many mirrors there are: each is some thousand files,
// and a program can have one made with each link that it renames. Who has a
// directory of an older one open sees it empty, as that of an interface that is
// gone.
const maxGenerations = 4

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
	const passed = unix.O_DIRECTORY | unix.O_PATH | unix.O_NONBLOCK
	fd, err := below(m.made[len(m.made)-1].dir, name, flags&passed)
	return fd, toErrno(err)
}

// renew makes the mirror if there is none of the names there are now.
func (m *mirror) renew(s procfs.Source) error {
	names := procfs.List(s)
	same := func(a, b procfs.Entry) bool { return a.Name == b.Name }
	if n := len(m.made); n > 0 && slices.EqualFunc(names, m.made[n-1].names, same) {
		return nil
	}
	if len(m.root) == 0 {
		if err := m.makeRoot(); err != nil {
			return err
		}
	}
	if len(m.made) == maxGenerations {
		m.made[0].remove(m.dir)
		m.made = m.made[1:]
	}
	g, err := newGeneration(m.dir, names)
	if err != nil {
		return fmt.Errorf("mirror of /proc/net: %w", err)
	}
	m.made = append(m.made, g)
	return nil
}

func (m *mirror) makeRoot() error {
	root, err := os.MkdirTemp("", "netbox-proc-")
	if err != nil {
		return err
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return err
	}
	m.dir, err = unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	m.root = []byte(root)
	// Programs of other users look in, too.
	return unix.Fchmodat(m.dir, ".", 0o755, 0)
}

// close removes the mirror.
func (m *mirror) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.root) == 0 {
		return nil
	}
	for _, g := range m.made {
		unix.Close(g.dir)
	}
	unix.Close(m.dir)
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
