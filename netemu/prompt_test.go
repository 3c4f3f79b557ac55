package netemu

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/link"
	"netbox/netemu/stack"
	"netbox/trap/debt"
)

// TestPromptBound: waits in vain take a small part of the time, and a pause lets
// them be again.
func TestPromptBound(t *testing.T) {
	var p prompt
	now := time.Now()
	loop := func(calls int) (waited time.Duration) {
		for range calls {
			if limit := p.limit(now); limit > 0 {
				now, waited = now.Add(limit), waited+limit
				p.Add(limit)
			}
			now = now.Add(10 * time.Microsecond)
		}
		return waited
	}
	begin := now
	waited := loop(1 << 20)
	if most := promptDebt + promptLimit + now.Sub(begin)/debt.Share; waited > most || p.Skipped() == 0 {
		t.Errorf("waited %v of %v, %d skipped, want at most %v", waited, now.Sub(begin), p.Skipped(), most)
	}
	now = now.Add(time.Second)
	if p.limit(now) != promptLimit {
		t.Error("no wait after a pause")
	}
}

// TestPromptBusy: where others have the processor for most of the time, a wait goes
// on for longer, and is in vain all the same if it lasts.
func TestPromptBusy(t *testing.T) {
	var p prompt
	looks, enough := 0, 3
	look := func() bool {
		time.Sleep(2 * promptLimit)
		looks++
		return looks >= enough
	}
	if p.await(look); looks != enough || p.Owed() != 0 {
		t.Errorf("%d looks, want %d; debt %v", looks, enough, p.Owed())
	}
	enough = 1 << 30
	if p.await(look); p.Owed() < promptMost || looks > int(promptMost/promptLimit) {
		t.Errorf("after %d looks in vain the debt is %v", looks, p.Owed())
	}
}

// alone is a host whose link leads to nobody.
func alone(t *testing.T) *stack.Stack {
	t.Helper()
	near, _ := link.New(0)
	host, err := stack.NewHost(stack.HostConfig{
		Link: near, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.2.15/24")},
		Gateways: []netip.Addr{netip.MustParseAddr("10.0.2.2")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Close)
	return host
}

// TestPromptOfConnect: a handshake that nobody answers is in vain, and is not waited
// for once such waits were too many.
func TestPromptOfConnect(t *testing.T) {
	host := alone(t)
	ep, errno := host.NewTCP(stack.Inet4)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer ep.Close()
	if errno := ep.Connect(stack.Addr{AddrPort: netip.MustParseAddrPort("10.0.2.2:9")}); errno != unix.EINPROGRESS {
		t.Fatal(errno)
	}
	s := &stream{e: &Emulator{}, ep: ep}
	if ready := s.outcomeSoonLocked(); ready != 0 || s.e.prompt.Owed() < promptLimit {
		t.Errorf("events %#x after a wait, debt %v", ready, s.e.prompt.Owed())
	}
	s.e.prompt.Add(time.Hour)
	owed := s.e.prompt.Owed()
	if ready := s.outcomeSoonLocked(); ready != 0 || s.e.prompt.Skipped() != 1 || s.e.prompt.Owed() > owed {
		t.Errorf("events %#x without a wait, %+v", ready, s.e.prompt.Owed())
	}
}
