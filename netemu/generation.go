package netemu

import (
	"crypto/rand"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"netbox/netemu/procfs"
)

// generation is the mirror of the names of one moment.
type generation struct {
	name  string // below the mirror's root: nobody can foresee it
	dir   int    // O_PATH
	names []procfs.Entry
}

// newGeneration makes the files of a mirror, or none of them.
func newGeneration(root int, names []procfs.Entry) (generation, error) {
	g := generation{name: rand.Text(), names: names}
	if err := unix.Mkdirat(root, g.name, 0o755); err != nil {
		return g, err
	}
	var err error
	if g.dir, err = below(root, g.name, unix.O_PATH|unix.O_DIRECTORY); err != nil {
		return g, err
	}
	if err = g.fill(); err != nil {
		g.remove(root)
	}
	return g, err
}

func (g *generation) fill() error {
	if err := unix.Fchmodat(g.dir, ".", 0o755, 0); err != nil {
		return err
	}
	dirs, entries := g.directories()
	for _, d := range dirs {
		err := g.in(path.Dir(d), func(fd int) error { return unix.Mkdirat(fd, path.Base(d), 0o755) })
		if err != nil {
			return fmt.Errorf("%s: %w", d, err)
		}
	}
	for _, d := range dirs {
		err := g.in(d, func(fd int) error { return makeEntries(fd, entries[d]) })
		if err != nil {
			return fmt.Errorf("%s: %w", d, err)
		}
	}
	return nil
}

func makeEntries(dir int, entries []procfs.Entry) error {
	for _, e := range entries {
		var err error
		if base := path.Base(e.Name); e.Node.Link != "" {
			err = unix.Symlinkat(e.Node.Link, dir, base)
		} else {
			err = unix.Mknodat(dir, base, unix.S_IFREG|uint32(e.Node.Mode.Perm()&anyRead), 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// remove takes away what fill has made, and is done with the directory. What
// programs have put there stays until the root is removed.
func (g *generation) remove(root int) {
	dirs, entries := g.directories()
	for _, d := range slices.Backward(dirs) {
		g.in(d, func(fd int) error {
			for _, e := range entries[d] {
				unix.Unlinkat(fd, path.Base(e.Name), 0)
			}
			return nil
		})
		g.in(path.Dir(d), func(fd int) error { return unix.Unlinkat(fd, path.Base(d), unix.AT_REMOVEDIR) })
	}
	unix.Close(g.dir)
	unix.Unlinkat(root, g.name, unix.AT_REMOVEDIR)
}

// directories are all of them, each before what it contains, and the files and
// links in each.
func (g *generation) directories() (dirs []string, entries map[string][]procfs.Entry) {
	entries = map[string][]procfs.Entry{}
	for _, e := range g.names {
		dir := path.Dir(e.Name)
		for d := dir; d != "/"; d = path.Dir(d) {
			if _, ok := entries[d]; !ok {
				entries[d] = nil
				dirs = append(dirs, d)
			}
		}
		entries[dir] = append(entries[dir], e)
	}
	slices.Sort(dirs)
	return dirs, entries
}

// in calls do with a directory of the mirror.
func (g *generation) in(dir string, do func(fd int) error) error {
	fd, err := below(g.dir, dir, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return do(fd)
}

// below opens the directory, or with O_PATH whatever it is, that has this name
// below another one, if the way there goes through directories of the same file
// system only: a link could lead anywhere, a FIFO would wait for its other end,
// and a mount point for a program that serves files.
func below(dir int, name string, flags int) (int, error) {
	if name = strings.Trim(name, "/"); name == "" {
		name = "."
	}
	flags |= unix.O_NOFOLLOW | unix.O_CLOEXEC
	if flags&unix.O_PATH == 0 {
		flags |= unix.O_DIRECTORY
	} else {
		flags &^= unix.O_NONBLOCK // openat2 takes no such flag then
	}
	fd, err := unix.Openat2(dir, name, &unix.OpenHow{
		Flags:   uint64(flags),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	})
	if err == unix.ENOSYS || err == unix.EPERM {
		return belowByStep(dir, name, flags) // Linux 5.5, or a filter that does not know the call
	}
	return fd, err
}

// belowByStep is below without openat2(2). It does not see mount points.
func belowByStep(dir int, name string, flags int) (int, error) {
	at := dir
	for {
		step, rest, more := strings.Cut(name, "/")
		how := flags
		if more {
			how = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
		}
		next, err := unix.Openat(at, step, how, 0)
		if at != dir {
			unix.Close(at)
		}
		if err != nil || !more {
			return next, err
		}
		at, name = next, rest
	}
}
