package stack

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestDialUDPWakesOnError: a Read that waits already learns of the ICMP port
// unreachable that answers a later Write.
func TestDialUDPWakesOnError(t *testing.T) {
	s, err := NewHost(HostConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := s.DialUDP(netip.AddrPort{}, netip.MustParseAddrPort("127.0.0.1:9"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	reading, got := make(chan struct{}), make(chan error, 1)
	go func() {
		close(reading)
		_, err := c.Read(make([]byte, 8))
		got <- err
	}()
	<-reading
	time.Sleep(20 * time.Millisecond) // most likely it waits now; it passes if not
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-got; !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("read: %v, want ECONNREFUSED", err)
	}
}
