package programs

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"netbox/test/bed"
	"netbox/test/world"
)

// Site is where a row runs: on one side the program under test, on the other
// the host that it talks to.
type Site struct {
	// Box says that the program runs under netbox.
	Box bool
	// User runs the program.
	User bed.User
	// Dir is a scratch folder under one path on both sides; every user may
	// write it.
	Dir string
	// Outside is the other host.
	Outside *world.Namespace
	// Far4, Far6 and FarName are how the program reaches Outside's servers;
	// Serve4 and Serve6 are where those listen.
	Far4, Far6     netip.Addr
	FarName        string
	Serve4, Serve6 netip.Addr
	// Near4 and Near6 are how Outside reaches what the program publishes.
	Near4, Near6 netip.Addr
	// Command makes the program's command line; publish are the ports to be
	// reached from Outside, as netbox's -p takes them.
	Command func(ctx context.Context, publish []string, args ...string) *exec.Cmd
}

// Row is one program.
type Row struct {
	Name string
	// Needs are the programs that must be installed.
	Needs []string
	Run   func(t *testing.T, s *Site)
}

// Rows are all programs.
func Rows() []Row {
	var rows []Row
	for _, group := range [][]Row{httpRows, bulkRows, dnsRows, pipeRows, serverRows, remoteRows, configurationRows} {
		rows = append(rows, group...)
	}
	return rows
}

// patience bounds one run of one program; the longest, 200 MB of an
// unoptimised path on a busy machine, takes a few seconds.
const patience = 90 * time.Second

// run runs the program under test to its end.
func (s *Site) run(t *testing.T, args ...string) bed.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return bed.Run(t, s.Command(ctx, nil, args...))
}

// want runs the program, and fails the test unless it exits with 0 and its
// standard output passes ok.
func (s *Site) want(t *testing.T, ok func(out string) bool, args ...string) {
	t.Helper()
	r := s.run(t, args...)
	if r.Code != 0 || !ok(r.Out) {
		t.Errorf("%v: %s", args, r.Output())
	}
}

// shell is want for a script of sh(1).
func (s *Site) shell(t *testing.T, ok func(out string) bool, format string, args ...any) {
	t.Helper()
	s.want(t, ok, "sh", "-ec", fmt.Sprintf(format, args...))
}

// start starts the program under test as a server.
func (s *Site) start(t *testing.T, publish []string, args ...string) *bed.Background {
	t.Helper()
	return bed.Start(t, func(ctx context.Context) *exec.Cmd { return s.Command(ctx, publish, args...) })
}

// outside runs a command on the other host to its end.
func (s *Site) outside(t *testing.T, args ...string) bed.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return bed.Run(t, s.Outside.Command(ctx, args...))
}

// wantOutside is want for a command on the other host.
func (s *Site) wantOutside(t *testing.T, ok func(out string) bool, args ...string) {
	t.Helper()
	r := s.outside(t, args...)
	if r.Code != 0 || !ok(r.Out) {
		t.Errorf("outside %v: %s", args, r.Output())
	}
}

// startOutside starts a server on the other host.
func (s *Site) startOutside(t *testing.T, args ...string) *bed.Background {
	t.Helper()
	return bed.Start(t, func(ctx context.Context) *exec.Cmd { return s.Outside.Command(ctx, args...) })
}

// file writes a file of the user under test into Dir and returns its path.
func (s *Site) file(t *testing.T, name, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(s.Dir, name)
	err := os.WriteFile(path, []byte(content), mode)
	if err != nil {
		t.Fatal(err)
	}
	s.own(t, path)
	return path
}

// own gives a file to the user under test.
func (s *Site) own(t *testing.T, path string) {
	t.Helper()
	err := os.Chown(path, s.User.UID, s.User.UID)
	if err != nil {
		t.Fatal(err)
	}
}

// folder makes a folder of the user under test in Dir and returns its path.
func (s *Site) folder(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(s.Dir, name)
	err := os.MkdirAll(path, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	s.own(t, path)
	return path
}

// families are the two address families of a site, for rows that try both.
func (s *Site) families() []family {
	return []family{
		{far: s.Far4, near: s.Near4, serve: s.Serve4, flag: "-4"},
		{far: s.Far6, near: s.Near6, serve: s.Serve6, flag: "-6"},
	}
}

type family struct {
	far, near, serve netip.Addr
	flag             string // as many programs spell the family
}

func (f family) farPort(port uint16) string  { return netip.AddrPortFrom(f.far, port).String() }
func (f family) nearPort(port uint16) string { return netip.AddrPortFrom(f.near, port).String() }
