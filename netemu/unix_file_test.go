package netemu

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/test/world"
)

// TestBoundFile: the file of a socket is found by the socket, whatever its name is.
func TestBoundFile(t *testing.T) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	if id, ok := boundFile(st.Ino); ok {
		t.Errorf("a socket without a name has the file %v", id)
	}
	dir := t.TempDir()
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(dir, "a")}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(filepath.Join(dir, "b"))
	if err != nil {
		t.Fatal(err)
	}
	got, ok := boundFile(st.Ino)
	if !ok {
		world.Skip(t, "this kernel has no unix_diag")
	}
	file := fi.Sys().(*syscall.Stat_t)
	if want := (fileID{uint64(file.Dev), file.Ino}); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}
