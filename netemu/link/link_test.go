package link

import (
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/refs"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// TestMain checks that every packet's reference was given back.
func TestMain(m *testing.M) {
	refs.SetLeakMode(refs.LeaksPanic)
	code := m.Run()
	if code == 0 {
		refs.DoRepeatedLeakCheck()
	}
	os.Exit(code)
}

// patience ends a hang: no test waits that long for anything that comes.
const patience = time.Minute

// sink is the stack at one end: it calls a function for each packet.
type sink struct{ f func(*stack.PacketBuffer) }

func (s sink) DeliverNetworkPacket(_ tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) { s.f(pkt) }
func (s sink) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer)          {}

// send writes one packet of n bytes; what netstack would have noted of it is
// its transport protocol.
func send(e Endpoint, n int, proto tcpip.TransportProtocolNumber) tcpip.Error {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(make([]byte, n))})
	pkt.NetworkProtocolNumber = header.IPv4ProtocolNumber
	pkt.TransportProtocolNumber = proto
	var l stack.PacketBufferList
	l.PushBack(pkt)
	_, err := e.WritePackets(l)
	pkt.DecRef()
	return err
}

func closeBoth(ends ...Endpoint) {
	for _, e := range ends {
		e.Close()
	}
	for _, e := range ends {
		e.Wait()
	}
}

func TestDelivery(t *testing.T) {
	a, b := New(1500)
	defer closeBoth(a, b)
	if a.MTU() != 1500 || b.MTU() != 1500 {
		t.Errorf("MTU %d, %d", a.MTU(), b.MTU())
	}
	const n = 1000
	sizes := make(chan int, n)
	b.Attach(sink{func(p *stack.PacketBuffer) { sizes <- p.Size() }})
	for i := range n {
		if err := send(a, i+1, header.UDPProtocolNumber); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		select {
		case got := <-sizes:
			if got != i+1 {
				t.Fatalf("packet %d has %d bytes", i, got)
			}
		case <-time.After(patience):
			t.Fatalf("packet %d did not come", i)
		}
	}
	if st := a.Stats(); st.TxPackets != n || st.TxBytes != n*(n+1)/2 || st.TxDropped != 0 {
		t.Errorf("writer's %+v", st)
	}
	if st := b.Stats(); st.RxPackets != n || st.RxBytes != n*(n+1)/2 {
		t.Errorf("reader's %+v", st)
	}
}

// TestWriterDelivers: a datagram that finds an idle end is there when the write
// returns, behind what was queued before, and the end outlives it.
func TestWriterDelivers(t *testing.T) {
	a, b := New(1500)
	var got []int
	hold, inside := make(chan struct{}), make(chan struct{})
	b.Attach(sink{func(p *stack.PacketBuffer) {
		got = append(got, p.Size()) // one at a time, says the race detector
		if p.Size() == 1 {
			inside <- struct{}{}
			<-hold
		}
	}})
	waitFor(t, "a goroutine that delivers", func() bool {
		q := b.(*end).in
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.attended
	})
	send(a, 100, header.UDPProtocolNumber)
	if len(got) != 1 {
		t.Fatal("the write has returned before the datagram was delivered")
	}
	go send(a, 1, header.UDPProtocolNumber)
	<-inside
	send(a, 2, header.UDPProtocolNumber)
	send(a, 3, header.TCPProtocolNumber)
	waited := make(chan struct{})
	go func() {
		waitFor(t, "the packets that came meanwhile", func() bool { return b.Stats().RxPackets == 4 })
		closeBoth(a, b)
		close(waited)
	}()
	close(hold)
	<-waited
	if want := []int{100, 1, 2, 3}; !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}

	c, d := New(1500)
	d.Attach(sink{func(p *stack.PacketBuffer) { inside <- struct{}{}; time.Sleep(20 * time.Millisecond); got = nil }})
	waitFor(t, "a goroutine that delivers", func() bool {
		q := d.(*end).in
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.attended
	})
	go send(c, 1, header.UDPProtocolNumber)
	<-inside
	closeBoth(d, c)
	if got != nil {
		t.Error("Wait returned while a writer delivers")
	}
}

// TestBackPressure: a writer waits while the peer does not take packets, and
// nothing is lost.
func TestBackPressure(t *testing.T) {
	a, b := New(0)
	defer closeBoth(a, b)
	gate := make(chan struct{})
	var got atomic.Uint64
	b.Attach(sink{func(*stack.PacketBuffer) { <-gate; got.Add(1) }})
	const total = 3 * maxBytes / DefaultMTU
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range total {
			if err := send(a, DefaultMTU, header.TCPProtocolNumber); err != nil {
				t.Error(err)
			}
		}
	}()
	waitFor(t, "a waiting writer", func() bool { return b.(*end).in.waitersFull() })
	select {
	case <-done:
		t.Fatal("the writer did not wait")
	default:
	}
	close(gate)
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("the writer waits for ever")
	}
	waitFor(t, "all packets", func() bool { return got.Load() == total })
	if st := a.Stats(); st.TxWaits == 0 || st.TxDropped != 0 {
		t.Errorf("%+v", st)
	}
}

// waitersFull says whether the next writer has to wait.
func (q *queue) waitersFull() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.full()
}

func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if cond() {
			return
		}
	}
	t.Fatalf("no %s", what)
}

// TestBothFull: each delivery goroutine answers every packet with a control
// packet, both directions are kept full, and still everything moves. If they
// waited for each other, every packet would take maxWait, and all of them hours.
func TestBothFull(t *testing.T) {
	a, b := New(0)
	defer closeBoth(a, b)
	const total = 20000
	var data, echoes atomic.Uint64
	answer := func(e Endpoint) sink {
		return sink{func(p *stack.PacketBuffer) {
			if p.Size() == 28 {
				echoes.Add(1)
				return
			}
			data.Add(1)
			send(e, 28, header.ICMPv4ProtocolNumber)
		}}
	}
	a.Attach(answer(a))
	b.Attach(answer(b))
	var late atomic.Uint64
	for _, e := range []Endpoint{a, b} {
		for range 4 {
			go func() {
				for range total / 8 {
					late.Add(sendLate(t, e))
				}
			}()
		}
	}
	waitFor(t, "end of the flood", func() bool { return data.Load() == total })
	waitFor(t, "answers", func() bool {
		return echoes.Load()+a.Stats().TxDropped+b.Stats().TxDropped == total+late.Load()
	})
}

// sendLate sends a datagram, anew where a delivery goroutine had no processor
// for maxWait, and returns how often that was so.
func sendLate(t *testing.T, e Endpoint) (late uint64) {
	for ; late < uint64(patience/maxWait); late++ {
		if send(e, 1500, header.UDPProtocolNumber) == nil {
			return late
		}
	}
	t.Error("no room for a datagram")
	return late
}

// TestReserve: control packets are refused and counted, not queued without end,
// and never wait.
func TestReserve(t *testing.T) {
	a, b := New(0)
	defer closeBoth(a, b)
	start := time.Now()
	var refused int
	for range maxPackets + reserve + 7 {
		if err := send(a, 28, header.ICMPv4ProtocolNumber); err != nil {
			refused++
		}
	}
	if refused != 7 || a.Stats().TxDropped != 7 || a.Stats().TxWaits != 0 {
		t.Errorf("%d refused, %+v, in %v", refused, a.Stats(), time.Since(start))
	}
}

// TestStuckPeer: a writer does not wait for ever for a peer that takes nothing.
func TestStuckPeer(t *testing.T) {
	a, b := New(0)
	defer closeBoth(a, b)
	for range maxPackets {
		send(a, 28, header.UDPProtocolNumber)
	}
	start := time.Now()
	if err := send(a, 28, header.UDPProtocolNumber); err == nil {
		t.Error("queued beyond the bound")
	}
	if d := time.Since(start); d < maxWait || a.Stats().TxDropped != 1 {
		t.Errorf("waited %v, %+v", d, a.Stats())
	}
}

// TestClose: closing wakes writers on both sides, and what was written before
// still arrives.
func TestClose(t *testing.T) {
	a, b := New(0)
	gate := make(chan struct{})
	var got atomic.Uint64
	b.Attach(sink{func(*stack.PacketBuffer) { <-gate; got.Add(1) }})
	for range 10 {
		send(a, 100, header.TCPProtocolNumber)
	}
	a.Close()
	a.Wait()
	if err := send(a, 100, header.TCPProtocolNumber); err == nil {
		t.Error("write on a closed end")
	}
	if err := send(b, 100, header.TCPProtocolNumber); err == nil {
		t.Error("write towards a closed end")
	}
	close(gate)
	waitFor(t, "what was written before Close", func() bool { return got.Load() == 10 })

	c, d := New(0)
	for range maxPackets {
		send(c, 28, header.UDPProtocolNumber)
	}
	woken := make(chan tcpip.Error, 1)
	start := time.Now()
	go func() { woken <- send(c, 28, header.UDPProtocolNumber) }()
	d.Close()
	select {
	case err := <-woken:
		if err == nil || time.Since(start) >= maxWait {
			t.Errorf("woken after %v with %v", time.Since(start), err)
		}
	case <-time.After(patience):
		t.Fatal("a writer hangs on a closed link")
	}
	closeBoth(b, c, d)
}
