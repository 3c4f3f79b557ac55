package e2e

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"netbox/test/bed"
	"netbox/test/programs"
	"netbox/test/world"
)

func TestMain(m *testing.M) { world.Main(m, bed.Remove) }

// farName resolves to the far host.
const farName = "far.test"

// site is a place to run programs in the world: natively, or under netbox as
// a user.
type site struct {
	name string
	box  bool
	user bed.User
}

func sites() []site {
	return []site{
		{"native", false, bed.Privileged()},
		{"root", true, bed.Privileged()},
		{"unprivileged", true, bed.Unprivileged()},
	}
}

// scratch makes a folder that every user may write, gone with the test.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := bed.PublicDir("netbox-test-", 0o777)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// testdata is a file of the folder testdata, copied to where any user may read it:
// the repository may be in a home that only its owner may enter (Debian's are
// 0700).
func testdata(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(scratch(t), name)
	if err := errors.Join(os.WriteFile(path, content, 0o644), os.Chmod(path, 0o644)); err != nil {
		t.Fatal(err)
	}
	return path
}

// environment is that of the programs under test.
func environment(dir string) []string {
	return append(bed.Environment(), "PATH="+bed.Path, "HOME="+dir, "LANG=C.UTF-8")
}

// command makes a command line outside of any world.
func command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = environment(dir)
	return cmd
}

// command makes the command line that runs args in near at site s, with
// netbox's flags where it is a box.
func (s site) command(ctx context.Context, w *world.World, b *bed.Binaries, dir string, flags []string, args ...string) *exec.Cmd {
	line := append([]string{}, s.user.Prefix...)
	if s.box {
		line = append(line, b.Netbox, "run")
		line = append(line, flags...)
		line = append(line, "--")
	}
	cmd := w.Near.Command(ctx, append(line, args...)...)
	cmd.Dir = dir
	cmd.Env = environment(dir)
	return cmd
}

// programSite is the site as the list of programs sees it; flags are netbox's.
func (s site) programSite(t *testing.T, w *world.World, b *bed.Binaries, flags ...string) *programs.Site {
	dir := scratch(t)
	reports := newReports(t)
	return &programs.Site{
		Box: s.box, User: s.user, Dir: dir,
		Outside: w.Far,
		Far4:    world.Far4, Far6: world.Far6, FarName: farName,
		Serve4: world.Far4, Serve6: world.Far6,
		Near4: world.Near4, Near6: world.Near6,
		Command: func(ctx context.Context, publish []string, args ...string) *exec.Cmd {
			flags := append(reports.flags(), flags...)
			for _, p := range publish {
				flags = append(flags, "-p", p)
			}
			return s.command(ctx, w, b, dir, flags, args...)
		},
	}
}

// serveNames runs the far host's DNS server.
func serveNames(t *testing.T, w *world.World) {
	t.Helper()
	var packets net.PacketConn
	var streams net.Listener
	address := netip.AddrPortFrom(world.Resolver4, 53).String()
	err := w.Far.Do(func() (err error) {
		packets, err = net.ListenPacket("udp", address)
		if err != nil {
			return err
		}
		streams, err = net.Listen("tcp", address)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packets.Close(); streams.Close() })
	programs.ServeDNS(programs.Zone{farName: {world.Far4, world.Far6}}, packets, streams)
}

// TestInside: servers and their clients in one sandbox. The rows of a place
// run at the same time.
func TestInside(t *testing.T) {
	w := world.New(t)
	serveNames(t, w)
	programs.SetAccounts(t, w.Near)
	for _, s := range sites() {
		if s.user.Prefix != nil {
			s.user = bed.Nobody() // uid 0 is asked for more by ssh and others
		}
		t.Run(s.name, func(t *testing.T) {
			var b *bed.Binaries
			if s.box {
				b = bed.Build(t)
			}
			for _, row := range programs.Inside() {
				t.Run(row.Name, func(t *testing.T) {
					t.Parallel()
					bed.Need(t, row.Needs...)
					row.Run(t, s.programSite(t, w, b))
				})
			}
		})
	}
}

func TestPrograms(t *testing.T) {
	w := world.New(t)
	serveNames(t, w)
	for _, s := range sites() {
		t.Run(s.name, func(t *testing.T) { runPrograms(t, w, s) })
	}
	t.Run("packets", func(t *testing.T) { runPrograms(t, w, sites()[2], "--no-fast-path") })
}

func runPrograms(t *testing.T, w *world.World, s site, flags ...string) {
	var b *bed.Binaries
	if s.box {
		b = bed.Build(t)
	}
	for _, row := range programs.Rows() {
		t.Run(row.Name, func(t *testing.T) {
			bed.Need(t, row.Needs...)
			row.Run(t, s.programSite(t, w, b, flags...))
		})
	}
}
