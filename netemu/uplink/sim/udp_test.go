package sim

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestUDPServices(t *testing.T) {
	w := newWorld(t, parsed(t, `
hosts:
  - addresses: [203.0.113.1, "2001:db8:1::1"]
    udp:
      - {port: 7, service: echo}
      - {port: 9, service: discard}
      - {port: 13, service: text, text: noon}
`))
	for _, host := range []string{"203.0.113.1", "[2001:db8:1::1]"} {
		c := w.dialUDP(host + ":7")
		for _, size := range []int{0, 1, 1472, 30000} {
			p := bytes.Repeat([]byte{'u'}, size)
			if _, err := c.Write(p); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 1<<16)
			n, err := c.Read(buf)
			if err != nil || !bytes.Equal(buf[:n], p) {
				t.Errorf("%s: %d bytes of %d came back, %v", host, n, size, err)
			}
		}
		// The text answers whatever comes, and discard nothing.
		silent, text := w.dialUDP(host+":9"), w.dialUDP(host+":13")
		for range 2 {
			if _, err := silent.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := text.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 100)
			if n, err := text.Read(buf); err != nil || string(buf[:n]) != "noon" {
				t.Errorf("%s text: %q, %v", host, buf[:n], err)
			}
		}
		if err := silent.SetReadDeadline(time.Now()); err != nil {
			t.Fatal(err)
		}
		if n, err := silent.Read(make([]byte, 1)); !isTimeout(err) {
			t.Errorf("%s discard: %d, %v", host, n, err)
		}
	}
}

// The flow of a closed port ends in an ICMP error at the program's socket.
func TestUDPErrors(t *testing.T) {
	w := newWorld(t, Options{})
	for addr, want := range map[string]unix.Errno{
		"192.0.2.81:99":         unix.ECONNREFUSED,
		"[2001:db8::81]:99":     unix.ECONNREFUSED,
		"10.0.2.2:99":           unix.ECONNREFUSED,
		"198.51.100.1:99":       unix.EHOSTUNREACH,
		"203.0.113.1:99":        unix.ENETUNREACH,
		"[2001:db8:dead::1]:99": unix.EHOSTUNREACH,
	} {
		if got := w.udpError(addr); got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
	c := w.dialUDP("192.0.2.82:7")
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); !isTimeout(err) {
		t.Errorf("blackhole: %d, %v", n, err)
	}
}

// The bound on flows drops first datagrams and counts them.
func TestUDPBound(t *testing.T) {
	u, err := New(parsed(t, "hosts: [{addresses: [203.0.113.1], udp: [{port: 7, service: echo}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	u.udpFlows.limit = 1
	w := newWorldOf(t, u)
	echo := func(wait time.Duration) error {
		c := w.dialUDP("203.0.113.1:7")
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return err
		}
		_, err := c.Read(make([]byte, 1))
		return err
	}
	if err := echo(patience); err != nil {
		t.Error(err)
	}
	if err := echo(50 * time.Millisecond); !isTimeout(err) {
		t.Errorf("second flow: %v", err)
	}
	if n := u.Stats().UDPDropped; n != 1 {
		t.Errorf("%d counted as dropped, want 1", n)
	}
}
