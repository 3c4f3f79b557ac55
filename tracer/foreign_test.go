package tracer_test

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"netbox/tracer"

	"golang.org/x/sys/unix"
)

// TestForeign: a 32-bit program is killed before it runs, whatever it is and
// whoever executes it, and the log says why.
func TestForeign(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("made for i386")
	}
	if engine() == tracer.Debuggable {
		t.Skip("no tracer sees what a task executes: it runs, and each of its calls is ENOSYS (package seccomp, TestForeignABI)")
	}
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	static := write("static386", elf32(""))
	dynamic := write("dynamic386", elf32(static))
	script := write("script386", []byte("#!"+static+"\n"))
	if err := exec.Command(static).Run(); err == nil || err.Error() != "exit status 42" {
		t.Skipf("this kernel runs no i386 programs: %v", err)
	}
	for _, path := range []string{static, dynamic, script} {
		said := foreign(t, path)
		if !strings.Contains(said, "i386") || !strings.Contains(said, filepath.Base(path)) {
			t.Errorf("%s: the log says %q", path, said)
		}
		foreign(t, "sh", "-c", path+"; test $? = 137 && kill -9 $$")
	}
	if _, err := exec.LookPath("python3"); err == nil {
		foreign(t, "python3", "-c", `import os, sys, threading, time
threading.Thread(target=os.execv, args=(sys.argv[1], ["x"])).start()
time.sleep(60)`, static)
	}
}

// foreign runs a program that is to end by SIGKILL, and returns what was logged.
func foreign(t *testing.T, args ...string) string {
	t.Helper()
	var said bytes.Buffer
	_, st, err := launch(t, tracer.Options{Args: args, Log: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil || st.Signal != unix.SIGKILL {
		t.Errorf("%v: %+v, %v; want it killed", args, st, err)
	}
	return said.String()
}

// elf32 is an i386 program that exits with 42, with that interpreter if there is
// to be one.
func elf32(interpreter string) []byte {
	code := []byte{0xb8, 1, 0, 0, 0, 0xbb, 42, 0, 0, 0, 0xcd, 0x80} // mov eax,1; mov ebx,42; int 0x80
	head, segments := uint32(52+32), uint16(1)
	if interpreter != "" {
		head, segments = head+32, 2
	}
	base := uint32(0x08048000)
	b := []byte{0x7f, 'E', 'L', 'F', 1, 1, 1, 15: 0}
	u16 := func(v ...uint16) {
		for _, x := range v {
			b = binary.LittleEndian.AppendUint16(b, x)
		}
	}
	u32 := func(v ...uint32) {
		for _, x := range v {
			b = binary.LittleEndian.AppendUint32(b, x)
		}
	}
	u16(2, 3) // ET_EXEC, EM_386
	if interpreter == "" {
		// Elsewhere than the program that it is the interpreter of.
		base += 0x100000
	}
	u32(1, base+head, 52, 0, 0)
	u16(52, 32, segments, 0, 0, 0)
	size := head + uint32(len(code))
	name := append([]byte(interpreter), 0)
	if interpreter != "" {
		u32(3, size, base+size, base+size, uint32(len(name)), uint32(len(name)), 4, 1) // PT_INTERP
		size += uint32(len(name))
	}
	// Writable, as Linux 6.1 wants an interpreter's last segment to be: it fills
	// the page up with zeros there, whether there is a bss or not (EFAULT).
	u32(1, 0, base, base, size, size, 7, 0x1000) // PT_LOAD, rwx
	b = append(b, code...)
	if interpreter != "" {
		b = append(b, name...)
	}
	return b
}
