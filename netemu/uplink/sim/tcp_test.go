package sim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTCPErrors(t *testing.T) {
	w := newWorld(t, Options{})
	for addr, want := range map[string]error{
		"192.0.2.81:80":         unix.ECONNREFUSED,
		"[2001:db8::81]:80":     unix.ECONNREFUSED,
		"192.0.2.80:81":         unix.ECONNREFUSED,
		"10.0.2.2:80":           unix.ECONNREFUSED,
		"198.51.100.1:80":       unix.EHOSTUNREACH,
		"[2001:db8:dead::1]:80": unix.EHOSTUNREACH,
		"203.0.113.1:80":        unix.ENETUNREACH,
		"[2001:db8:1::1]:80":    unix.ENETUNREACH,
		"10.0.2.77:80":          unix.EHOSTUNREACH,
	} {
		c, err := w.dial(addr)
		if err == nil {
			c.Close()
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", addr, err, want)
		}
	}
	// A connection to a host that says nothing neither succeeds nor fails.
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := w.host.DialTCP(ctx, netip.AddrPort{}, at("192.0.2.82:80"), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("blackhole: %v", err)
	}
}

func TestTCPServices(t *testing.T) {
	w := newWorld(t, parsed(t, `
hosts:
  - addresses: [203.0.113.1, "2001:db8:1::1"]
    tcp:
      - {port: 7, service: echo}
      - {port: 9, service: discard}
      - {port: 13, service: text, text: "noon\n"}
      - {port: 14, service: reset}
      - {port: 15, service: refuse}
`))
	for _, host := range []string{"203.0.113.1", "[2001:db8:1::1]"} {
		big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
		c := w.mustDial(host + ":7")
		var wg sync.WaitGroup
		wg.Add(1)
		go func() {
			defer wg.Done()
			if _, err := c.Write(big); err != nil {
				t.Error(err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Error(err)
			}
		}()
		got, err := io.ReadAll(c)
		wg.Wait()
		if err != nil || !bytes.Equal(got, big) {
			t.Errorf("%s echo: %d bytes, %v", host, len(got), err)
		}
		c = w.mustDial(host + ":9")
		if _, err := c.Write(big); err != nil {
			t.Error(err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Error(err)
		}
		if got, err := io.ReadAll(c); err != nil || len(got) != 0 {
			t.Errorf("%s discard: %q, %v", host, got, err)
		}
		c = w.mustDial(host + ":13")
		if _, err := c.Write([]byte("ignored")); err != nil {
			t.Error(err)
		}
		if got, err := io.ReadAll(c); err != nil || string(got) != "noon\n" {
			t.Errorf("%s text: %q, %v", host, got, err)
		}
		for _, send := range []string{"", "GET"} {
			c = w.mustDial(host + ":14")
			if _, err := io.WriteString(c, send); err != nil {
				t.Error(err)
			}
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("%s reset after %q: %v", host, send, err)
			}
		}
		if _, err := w.dial(host + ":15"); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("%s refuse: %v", host, err)
		}
	}
}

// A lost SYN is sent again: the connection is late, not refused.
func TestTCPConditions(t *testing.T) {
	w := newWorld(t, parsed(t, `
hosts:
  - {addresses: [203.0.113.1], delay: 50ms, tcp: [{port: 7, service: echo}]}
  - {addresses: [203.0.113.2], loss: 100%, tcp: [{port: 7, service: echo}]}
`))
	start := time.Now()
	w.mustDial("203.0.113.1:7")
	if d := time.Since(start); d < 50*time.Millisecond {
		t.Errorf("connected after %v, want 50 ms at least", d)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := w.host.DialTCP(ctx, netip.AddrPort{}, at("203.0.113.2:7"), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("all lost: %v", err)
	}
}

// Close, of either side first, while handshakes are at every stage.
func TestCloseDuringDials(t *testing.T) {
	const rounds, dials = 40, 50
	for i := range rounds {
		up, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorldOf(t, up)
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for range dials {
			wg.Add(1)
			go func() {
				defer wg.Done()
				if c, err := w.host.DialTCP(ctx, netip.AddrPort{}, at("192.0.2.80:7"), nil); err == nil {
					c.Close()
				}
			}()
		}
		// Later each round: what is closed is a handshake, then a connection.
		time.Sleep(time.Duration(i) * 50 * time.Microsecond)
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			if i%2 == 1 {
				if err := w.up.Close(); err != nil {
					t.Error(err)
				}
			}
			w.close()
		}()
		select {
		case <-closed:
		case <-time.After(patience):
			t.Fatalf("round %d: Close hangs", i)
		}
		cancel()
		wg.Wait()
	}
}

// The bound on connections drops SYNs and counts them; places come back.
func TestTCPBound(t *testing.T) {
	u, err := New(parsed(t, "hosts: [{addresses: [203.0.113.1], tcp: [{port: 7, service: echo}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	u.tcpFlows.limit = 2
	w := newWorldOf(t, u)
	a := w.mustDial("203.0.113.1:7")
	w.mustDial("203.0.113.1:7")
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := w.host.DialTCP(ctx, netip.AddrPort{}, at("203.0.113.1:7"), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("third connection: %v", err)
	}
	if n := u.Stats().TCPDropped; n == 0 {
		t.Error("nothing counted as dropped")
	}
	a.Close()
	w.mustDial("203.0.113.1:7")
}
