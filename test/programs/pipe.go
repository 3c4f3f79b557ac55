package programs

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"netbox/test/bed"
)

var pipeRows = []Row{
	{"nc-client", []string{"nc"}, runNCClient},
	{"nc-server", []string{"nc"}, runNCServer},
	{"nc-udp-client", []string{"nc"}, runNCUDPClient},
	{"nc-udp-server", []string{"nc"}, runNCUDPServer},
	{"socat-client", []string{"socat"}, runSocatClient},
	{"socat-server", []string{"socat"}, runSocatServer},
}

const line = "one line through the pipe"

func isLine(out string) bool { return out == line+"\n" }

// feed runs the program with line on its standard input.
func (s *Site) feed(t *testing.T, ok func(string) bool, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := s.Command(ctx, nil, args...)
	cmd.Stdin = strings.NewReader(line + "\n")
	r := bed.Run(t, cmd)
	if r.Code != 0 || !ok(r.Out) {
		t.Errorf("%v: %s", args, r.Output())
	}
}

func runNCClient(t *testing.T, s *Site) {
	port := s.echoTCP(t)
	for _, f := range s.families() {
		// -N: half-close at the end of the input; the echo then ends, too.
		s.feed(t, isLine, "nc", "-N", f.far.String(), fmt.Sprint(port))
		s.want(t, func(string) bool { return true }, "nc", "-z", f.far.String(), fmt.Sprint(port))
	}
	r := s.run(t, "nc", "-z", s.Far4.String(), fmt.Sprint(freePort()))
	if r.Code != 1 {
		t.Errorf("nc -z of a closed port: %s", r.Output())
	}
}

func runNCServer(t *testing.T, s *Site) {
	for _, f := range s.families() {
		port := freePort()
		// -v makes nc say that it listens; a probe by connecting would be
		// its one client.
		server := s.start(t, tcp(port), "nc", "-v", "-N", f.flag, "-l", fmt.Sprint(port))
		awaitOutput(t, server, "istening on")
		c := s.dial(t, netip.AddrPortFrom(f.near, port))
		fmt.Fprintln(c, line)
		awaitOutput(t, server, line)
		// nc's empty standard input ends the other direction.
		rest, err := io.ReadAll(c)
		if err != nil || len(rest) != 0 {
			t.Errorf("from nc: %q, %v", rest, err)
		}
		c.Close()
		code, err := server.Wait(5 * time.Second)
		if err != nil || code != 0 {
			t.Errorf("nc -l after its client's end: %d, %v", code, err)
		}
	}
}

func runNCUDPClient(t *testing.T, s *Site) {
	port := s.echoUDP(t)
	for _, f := range s.families() {
		s.feed(t, isLine, "nc", "-u", "-w", "1", f.far.String(), fmt.Sprint(port))
	}
}

func runNCUDPServer(t *testing.T, s *Site) {
	for _, f := range s.families() {
		port := freePort()
		server := s.start(t, udp(port), "nc", "-v", "-u", f.flag, "-l", fmt.Sprint(port))
		awaitOutput(t, server, "ound on")
		c := s.dialPacket(t, netip.AddrPortFrom(f.near, port))
		fmt.Fprintln(c, line)
		awaitOutput(t, server, line)
	}
}

func runSocatClient(t *testing.T, s *Site) {
	port, uport := s.echoTCP(t), s.echoUDP(t)
	for _, f := range s.families() {
		s.feed(t, isLine, "socat", "-t", "5", "-", "TCP:"+f.farPort(port))
		s.feed(t, isLine, "socat", "-t", "1", "-", "UDP:"+f.farPort(uport))
	}
	s.feed(t, isLine, "socat", "-t", "5", "-", fmt.Sprintf("TCP:%s:%d", s.FarName, port))
}

func runSocatServer(t *testing.T, s *Site) {
	port := freePort()
	s.start(t, tcp(port), "socat", fmt.Sprintf("TCP6-LISTEN:%d,ipv6only=0,fork,reuseaddr", port), "EXEC:cat")
	for _, f := range s.families() {
		at := netip.AddrPortFrom(f.near, port)
		if !bed.Eventually(10*time.Second, func() bool { return s.echoed(t, at) }) {
			t.Errorf("socat never served %v", at)
		}
		for range 3 {
			if !s.echoed(t, at) {
				t.Errorf("socat's echo over %v failed", at)
			}
		}
	}
}

// echoed tells whether a server echoes a line.
func (s *Site) echoed(t *testing.T, a netip.AddrPort) bool {
	t.Helper()
	c := s.dial(t, a)
	defer c.Close()
	fmt.Fprintln(c, line)
	got, err := bufio.NewReader(c).ReadString('\n')
	return err == nil && isLine(got)
}
