package icmp

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// wantStatus checks the two rungs that Probe answers.
func wantStatus(t *testing.T, path string, helper, ping bool, mend ...string) {
	t.Helper()
	got := Probe(Options{HelperPath: path})
	if len(got) != 2 || got[0].Rung != RungHelper || got[1].Rung != RungPingSocket {
		t.Fatalf("got %+v", got)
	}
	for i, want := range []bool{helper, ping} {
		s := got[i]
		if s.Works != want || s.IPv4 != want || s.IPv6 != want {
			t.Fatalf("got %+v, want works %t", s, want)
		}
		if want == (s.Why != "") || want == (s.Mend != "") {
			t.Fatalf("got %+v", s)
		}
	}
	for _, m := range mend {
		if !strings.Contains(got[0].Mend+got[0].Why+"\n"+got[1].Mend, m) {
			t.Fatalf("got %+v, want %q", got, m)
		}
	}
}

func TestLadderHelperFirst(t *testing.T) {
	if !inside(t, asNobody, true) {
		return
	}
	openConn(t, Options{HelperPath: os.Getenv(capableEnv)}, RungHelper)
	wantStatus(t, os.Getenv(capableEnv), true, true)
}

// With no_new_privs the file capability gives nothing, and the ping socket is
// next.
func TestLadderNoNewPrivs(t *testing.T) {
	if !inside(t, asNobodyNNP, true) {
		return
	}
	c := openConn(t, Options{HelperPath: os.Getenv(capableEnv)}, RungPingSocket)
	newAsker(t, c).checkEcho(Request{Dst: addr(farAddrs[0]), Payload: pattern(8)})
	wantStatus(t, os.Getenv(capableEnv), false, true, "no_new_privs")
}

// Without CAP_NET_RAW in the bounding set, exec of the helper itself fails.
func TestLadderBoundingSet(t *testing.T) {
	if !inside(t, asNobodyBset, true) {
		return
	}
	openConn(t, Options{HelperPath: os.Getenv(capableEnv)}, RungPingSocket)
	wantStatus(t, os.Getenv(capableEnv), false, true, "bounding set")
}

func TestLadderNone(t *testing.T) {
	if !inside(t, asNobody, false) {
		return
	}
	path := os.Getenv(plainEnv)
	setcap := "setcap cap_net_raw+ep " + path
	sysctl := `sysctl -w net.ipv4.ping_group_range="0 2147483647"`
	c, err := Open(Options{HelperPath: path})
	if !errors.Is(err, ErrUnavailable) || c.Rung() != RungNone {
		t.Fatalf("rung %q, %v", c.Rung(), err)
	}
	for _, want := range []string{setcap, sysctl} {
		if !strings.Contains(err.Error(), want) {
			t.Fatalf("%v: want %q", err, want)
		}
	}
	if errno := c.Send(Request{Dst: addr(farAddrs[0])}); errno != unix.EHOSTUNREACH {
		t.Fatal(errno)
	}
	c.Close()
	wantStatus(t, path, false, false, setcap, sysctl)
}

// A path where there is no helper, and a program that is none.
func TestLadderNoHelper(t *testing.T) {
	for path, mend := range map[string]string{
		filepath.Join(t.TempDir(), "missing"): "install a working",
		"/bin/true":                           "install a working",
		"/bin/cat":                            "install a working",
		"/etc/passwd":                         "chmod a+x",
	} {
		s := probeHelper(Options{HelperPath: path})
		if s.Works || s.Path != path || !strings.Contains(s.Mend, mend) {
			t.Errorf("%s: %+v", path, s)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if s := probeHelper(Options{}); s.Works || !strings.Contains(s.Mend, helperEnv) {
		t.Errorf("none anywhere: %+v", s)
	}
	t.Setenv(helperEnv, "/bin/true")
	if s := probeHelper(Options{}); s.Path != "/bin/true" {
		t.Errorf("from the environment: %+v", s)
	}
}
