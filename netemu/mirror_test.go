package netemu

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/netemu/procfs"
	"netbox/netemu/stack"
)

// renamed is a source with one interface.
type renamed struct {
	procSource
	name string
}

func (r *renamed) Interfaces() []stack.Interface { return []stack.Interface{{Index: 1, Name: r.name}} }

// TestMirrorPlanted: what a program puts into the mirror does not lead out of
// it, and opening it does not wait.
func TestMirrorPlanted(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var m mirror
	defer m.close()
	s := &renamed{name: "eth7"}
	fd, errno := m.open(s, "/proc/net", unix.O_DIRECTORY)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer unix.Close(fd)
	dir, err := os.Readlink(descriptorPath(fd))
	if err != nil || !bytes.Equal(m.virtual([]byte(dir)), []byte("/proc/net")) {
		t.Fatal(dir, err)
	}
	class := filepath.Join(dir, "../../sys/class/net")
	for name, plant := range map[string]func(path string) error{
		"link": func(path string) error { return os.Symlink("/proc", path) },
		"fifo": func(path string) error { return unix.Mkfifo(path, 0o666) },
	} {
		if err := os.Rename(class, class+name); err != nil {
			t.Fatal(err)
		}
		if err := plant(class); err != nil {
			t.Fatal(err)
		}
		for _, below := range []string{"", "/eth7"} {
			if _, errno := m.open(s, "/sys/class/net"+below, unix.O_DIRECTORY); errno == 0 {
				t.Errorf("%s%s opened", name, below)
			}
		}
		if err := os.Remove(class); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(class+name, class); err != nil {
			t.Fatal(err)
		}
	}
	if fd, err := belowByStep(m.made[0].dir, "sys/class/net", unix.O_DIRECTORY|unix.O_NOFOLLOW); err != nil {
		t.Error(err)
	} else {
		unix.Close(fd)
	}
}

// TestMirrorGenerations: new names make a new mirror, and the oldest goes.
func TestMirrorGenerations(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var m mirror
	s := &renamed{}
	for i := range maxGenerations + 3 {
		s.name = "eth" + strconv.Itoa(i)
		for range 2 {
			fd, errno := m.open(s, "/sys/class/net/"+s.name, unix.O_PATH)
			if errno != 0 {
				t.Fatal(errno)
			}
			unix.Close(fd)
		}
		left, err := os.ReadDir(string(m.root))
		if err != nil || len(left) != min(i+1, maxGenerations) || len(left) != len(m.made) {
			t.Errorf("after %d names %d directories, %v", i+1, len(left), err)
		}
	}
	if err := m.close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(string(m.root)); !os.IsNotExist(err) {
		t.Error(err)
	}
}

var _ procfs.Source = (*renamed)(nil)
