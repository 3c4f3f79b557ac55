package world

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

// output runs a command inside a host, within half a minute.
func output(t *testing.T, n *Namespace, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := n.Command(ctx, args...).CombinedOutput()
	return string(out), err
}

func TestPingReachesFar(t *testing.T) {
	w := New(t)
	for _, a := range append([]netip.Addr{Far4, Far6}, Public...) {
		before4, before6, err := w.Far.EchoRequests()
		if err != nil {
			t.Fatal(err)
		}
		out, err := output(t, w.Near, "ping", "-c", "2", "-i", "0.2", a.String())
		if err != nil || !strings.Contains(out, " 0% packet loss") {
			t.Errorf("ping %v: %v\n%s", a, err, out)
		}
		after4, after6, err := w.Far.EchoRequests()
		if err != nil {
			t.Fatal(err)
		}
		moved := after4 - before4
		if a.Is6() {
			moved = after6 - before6
		}
		if moved != 2 {
			t.Errorf("ping %v: far's counter of echo requests moved by %d, want 2", a, moved)
		}
	}
}

func TestRouterIsAHop(t *testing.T) {
	w := New(t)
	for _, args := range [][]string{
		{"ping", "-c", "1", "-t", "1", "8.8.8.8"},
		{"ping", "-6", "-c", "1", "-t", "1", "2001:4860:4860::8888"},
	} {
		out, err := output(t, w.Near, args...)
		if err == nil || !strings.Contains(strings.ToLower(out), "time ") || !strings.Contains(out, "xceeded") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	out, err := output(t, w.Near, "traceroute", "-n", "-I", "8.8.8.8")
	if err != nil || !strings.Contains(out, "1  192.0.2.1 ") || !strings.Contains(out, "2  8.8.8.8 ") {
		t.Errorf("traceroute: %v\n%s", err, out)
	}
}

func TestFaults(t *testing.T) {
	w := New(t)
	far := netip.MustParseAddr("8.8.8.8")
	lossy := func() bool {
		out, _ := output(t, w.Near, "ping", "-c", "2", "-i", "0.2", "-W", "1", far.String())
		return strings.Contains(out, "100% packet loss")
	}
	faults := []struct {
		name string
		set  func(bool) error
	}{
		{"far ignores echo", w.IgnoreEcho},
		{"router drops", func(on bool) error { return w.Drop(far, on) }},
		{"router rejects", func(on bool) error { return w.Reject(far, on) }},
	}
	for _, f := range faults {
		for _, on := range []bool{true, false} {
			err := f.set(on)
			if err != nil {
				t.Fatal(err)
			}
			if lossy() != on {
				t.Errorf("%s %v: loss is %v", f.name, on, !on)
			}
		}
	}
}

func TestServerInFar(t *testing.T) {
	w := New(t)
	for _, a := range []netip.Addr{Far4, Far6} {
		var l net.Listener
		err := w.Far.Do(func() (err error) {
			l, err = net.Listen("tcp", netip.AddrPortFrom(a, 80).String())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
			io.WriteString(out, "from "+in.RemoteAddr)
		})}
		go server.Serve(l)
		defer server.Close()
		got, err := output(t, w.Near, "curl", "-sS", fmt.Sprintf("http://%v/", netip.AddrPortFrom(a, 80)))
		if err != nil || !(strings.HasPrefix(got, "from 192.0.2.2:") || strings.HasPrefix(got, "from [2001:db8:1::2]:")) {
			t.Errorf("curl of %v: %v: %q", a, err, got)
		}
	}
}

// The machine's own network must be out of reach from every host.
func TestNoWayOut(t *testing.T) {
	w := New(t)
	for _, n := range []*Namespace{w.Near, w.Router, w.Far} {
		out, err := output(t, n, "ip", "-o", "link")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out) {
			name := strings.TrimSuffix(strings.Fields(line)[1], ":")
			name, _, _ = strings.Cut(name, "@")
			switch name {
			case "lo", "eth0", "to-near", "to-far":
			default:
				t.Errorf("%s has an interface of unknown origin: %s", n.name, line)
			}
		}
	}
	got, err := output(t, w.Near, "cat", "/etc/resolv.conf")
	if err != nil || got != "nameserver 203.0.113.53\n" {
		t.Errorf("near's resolv.conf: %v %q", err, got)
	}
}
