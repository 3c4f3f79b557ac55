package stack

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"netbox/netemu/link"
)

// road is what lies between host and gateway: it carries what comes out of
// one link into another, later, not all of it, and not in order.
type road struct {
	name   string
	mtu    int
	delay  time.Duration // one way
	loss   float64       // share of packets
	late   float64       // share of packets that take 3 ms longer, and are overtaken
	pace   int           // bytes a second, 0 is as fast as it goes
	buffer int           // bytes that wait for the pace before packets are dropped
}

// lane is one direction of a road.
type lane struct {
	road
	out link.Endpoint
	rnd *rand.Rand

	mu   sync.Mutex
	free time.Time // when the pace takes the next packet
	wake chan struct{}
	sent []parcel
	late []parcel
}

type parcel struct {
	at  time.Time
	pkt *stack.PacketBuffer
}

func (l *lane) DeliverNetworkPacket(p tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	if l.rnd.Float64() < l.loss {
		return
	}
	at := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pace > 0 {
		if l.free.Before(at) {
			l.free = at
		}
		if waits := l.free.Sub(at); int(waits.Seconds()*float64(l.pace)) > l.buffer {
			return
		}
		l.free = l.free.Add(time.Duration(float64(pkt.Size()) / float64(l.pace) * float64(time.Second)))
		at = l.free
	}
	at = at.Add(l.delay)
	c := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: pkt.ToBuffer()})
	c.NetworkProtocolNumber, c.TransportProtocolNumber = p, header.UDPProtocolNumber
	if l.rnd.Float64() < l.road.late {
		l.late = append(l.late, parcel{at.Add(3 * time.Millisecond), c})
	} else {
		l.sent = append(l.sent, parcel{at, c})
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (*lane) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}

// carry hands on what is due until done is closed.
func (l *lane) carry(done <-chan struct{}) {
	for {
		wait := l.handOn(time.Now())
		select {
		case <-done:
			l.drop()
			return
		case <-l.wake:
		case <-time.After(wait):
		}
	}
}

// handOn sends what is due and tells how long until the next is.
func (l *lane) handOn(now time.Time) time.Duration {
	var due stack.PacketBufferList
	wait := time.Second
	l.mu.Lock()
	for _, q := range []*[]parcel{&l.sent, &l.late} {
		for len(*q) > 0 && !(*q)[0].at.After(now) {
			due.PushBack((*q)[0].pkt)
			*q = (*q)[1:]
		}
		if len(*q) > 0 {
			wait = min(wait, (*q)[0].at.Sub(now))
		}
	}
	l.mu.Unlock()
	if due.Len() > 0 {
		l.out.WritePackets(due)
		due.DecRef()
	}
	return wait
}

// drop frees what is still on its way.
func (l *lane) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range append(l.sent, l.late...) {
		p.pkt.DecRef()
	}
	l.sent, l.late = nil, nil
}

// newRoadWorld is newWorld with a road between its stacks.
func newRoadWorld(t testing.TB, r road, c GatewayConfig) *world {
	t.Helper()
	a, x := link.New(r.mtu)
	y, b := link.New(r.mtu)
	host, err := NewHost(hostConfig(a))
	if err != nil {
		t.Fatal(err)
	}
	c.Link, c.Addrs = b, []netip.Prefix{netip.MustParsePrefix("10.0.2.2/24")}
	gw, err := NewGateway(c)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var lanes sync.WaitGroup
	for i, ends := range [][2]link.Endpoint{{x, y}, {y, x}} {
		l := &lane{road: r, out: ends[1], rnd: rand.New(rand.NewPCG(1, uint64(i))), wake: make(chan struct{}, 1)}
		ends[0].Attach(l)
		lanes.Go(func() { l.carry(done) })
	}
	t.Cleanup(func() {
		host.Close()
		gw.Close()
		for _, e := range []link.Endpoint{x, y} {
			e.Close()
			e.Wait()
		}
		close(done)
		lanes.Wait()
	})
	return &world{host, gw}
}

var roads = []road{
	{name: "clean", mtu: 65520},
	{name: "clean1500", mtu: 1500},
	{name: "loss1%20ms", mtu: 1500, delay: 10 * time.Millisecond, loss: 0.01, pace: 12_500_000, buffer: 1 << 20},
	{name: "loss0.1%100ms", mtu: 1500, delay: 50 * time.Millisecond, loss: 0.001, pace: 12_500_000, buffer: 1 << 20},
	{name: "long100ms", mtu: 1500, delay: 50 * time.Millisecond, pace: 125_000_000, buffer: 12 << 20},
	{name: "reorder20ms", mtu: 1500, delay: 10 * time.Millisecond, late: 0.02, pace: 12_500_000, buffer: 1 << 20},
}

// choice is one set of knobs to compare.
type choice struct {
	name     string
	cc       string
	recovery tcpip.TCPRecovery
	snd, rcv int
}

var choices = func() (all []choice) {
	for _, cc := range []string{"cubic", "reno"} {
		for _, r := range []tcpip.TCPRecovery{0, tcpip.TCPRACKLossDetection, tcpip.TCPRACKLossDetection | tcpip.TCPRACKStaticReoWnd} {
			for _, m := range [][2]int{{4 << 20, 6 << 20}, {16 << 20, 16 << 20}} {
				all = append(all, choice{fmt.Sprintf("%s,recovery=%d,%dMiB", cc, r, m[1]>>20), cc, r, m[0], m[1]})
			}
		}
	}
	return
}()

func (c choice) set(b testing.TB, w *world) {
	cc := tcpip.CongestionControlOption(c.cc)
	snd := tcpip.TCPSendBufferSizeRangeOption{Min: tcpMinBuffer, Default: tcpDefaultBuffer, Max: c.snd}
	rcv := tcpip.TCPReceiveBufferSizeRangeOption{Min: tcpMinBuffer, Default: tcpDefaultBuffer, Max: c.rcv}
	for _, s := range []*Stack{w.host, w.far} {
		for _, o := range []tcpip.SettableTransportProtocolOption{&cc, &c.recovery, &snd, &rcv} {
			if err := s.net.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkRoads measures a bulk flow from the gateway to the host for four
// seconds, after one to start in: what the knobs of defaults.go were chosen by.
func BenchmarkRoads(b *testing.B) {
	for _, r := range roads {
		for _, c := range choices {
			b.Run(r.name+"/"+c.name, func(b *testing.B) {
				for b.Loop() {
					b.ReportMetric(goodput(b, r, c), "Mbit/s")
				}
			})
		}
	}
}

func goodput(b *testing.B, r road, c choice) float64 {
	w := newRoadWorld(b, r, GatewayConfig{TCP: func(q *TCPRequest) {
		g, err := q.Accept()
		if err != nil {
			return
		}
		defer g.Close()
		p := make([]byte, 64<<10)
		for {
			if _, err := g.Write(p); err != nil {
				return
			}
		}
	}})
	c.set(b, w)
	e := tcpSocket(b, w.host, Inet4)
	ok(b, "connect", connect(b, e, ap(far4, 80)))
	s, p := stream{b, e}, make([]byte, 1<<20)
	var n int
	start := time.Now()
	const lead, spell = time.Second, 4 * time.Second
	for time.Since(start) < lead+spell {
		k, err := s.Read(p)
		if err == io.EOF {
			b.Fatal("end")
		}
		if time.Since(start) > lead {
			n += k
		}
	}
	return float64(n) * 8 / 1e6 / spell.Seconds()
}
