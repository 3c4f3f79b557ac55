package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"netbox/test/bed"
)

// bench is the world of the measurements.
type bench struct {
	options
	machine string // its load before ours
	dir     string
	pins    []pin
	// ports are those of the servers of client.c, by pin.
	ports             map[string]int
	http, redis       int
	proxies           string // proxychains4's configuration
	processes         []*process
	self, static, dyn string // this program, and the C client twice
}

func newBench(o options) (b *bench, err error) {
	err = alone()
	if err != nil {
		return nil, err
	}
	b = &bench{options: o, machine: machine(), ports: map[string]int{}}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	b.self, err = os.Executable()
	if err == nil {
		// Peers run programs as another user.
		b.dir, err = bed.PublicDir("netbox-bench-", 0o755)
	}
	if err == nil {
		b.pins, err = pins()
	}
	if err == nil {
		err = b.build()
	}
	if err == nil {
		err = b.startServers()
	}
	if err == nil {
		err = b.startServices()
	}
	if err == nil {
		err = b.prepareProxy()
	}
	if err == nil {
		err = makeTemplate()
	}
	return b, err
}

func (b *bench) close() {
	for _, p := range b.processes {
		p.stop()
	}
	if b.dir != "" {
		os.RemoveAll(b.dir)
	}
}

// alone makes sure that no packet can leave: peers take addresses and routes
// of the network that they find.
func alone() error {
	links, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.Flags&net.FlagLoopback == 0 && l.Flags&net.FlagUp != 0 {
			return errors.New("this network has more than lo (" + l.Name + "): run scripts/contained build/bench")
		}
	}
	return nil
}

func (b *bench) build() error {
	dir := filepath.Join(bed.Root(), "test/bench/testdata")
	var more []string
	for _, f := range []string{"traffic.c", "server.c", "calls.c", "scale.c", "trapped.c", "relay.c"} {
		more = append(more, filepath.Join(dir, f))
	}
	b.static, b.dyn = filepath.Join(b.dir, "client"), filepath.Join(b.dir, "client-dynamic")
	err := bed.CBuild("gcc", b.static, filepath.Join(dir, "client.c"), more...)
	if err != nil {
		return err
	}
	args := append([]string{"-O2", "-o", b.dyn, filepath.Join(dir, "client.c")}, more...)
	text, err := exec.Command("gcc", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("gcc: %w\n%s", err, text)
	}
	return nil
}

func (b *bench) startServers() error {
	for _, p := range b.pins {
		s, err := start(append(taskset(p.server), b.self, "serve")...)
		if err != nil {
			return err
		}
		b.processes = append(b.processes, s)
		var port int
		_, err = fmt.Fscan(s.out, &port)
		if err != nil {
			return err
		}
		b.ports[p.name] = port
	}
	return nil
}

// words replaces what stands for something in a command.
func (b *bench) words(s side, p pin, command []string) []string {
	port, cclient := strconv.Itoa(b.ports[p.name]), b.static
	if s.dynamic {
		cclient = b.dyn
	}
	spell := b.spell.Milliseconds()
	replace := strings.NewReplacer(
		"SOURCE", filepath.Join(bed.Root(), "test/bench/testdata/client.c"),
		"DATA", filepath.Join(bed.Root(), "test/bench/testdata"),
		"NETBOX", b.netbox, "BENCH", b.self, "CLIENT", cclient, "PROXIES", b.proxies,
		"HOST", s.host, "HTTP", strconv.Itoa(b.http), "REDIS", strconv.Itoa(b.redis),
		"PORTS", fmt.Sprintf("%s,%d,%d", port, b.http, b.redis), "PORT", port,
		"WRKTIME", fmt.Sprintf("%.3f", max(wrkSpells*b.spell, wrkLeast).Seconds()), "PIECE", strconv.FormatInt(max(spell/piecesOfSpell, 1), 10),
		"SPELL", strconv.FormatInt(spell, 10), "REQUESTS", strconv.FormatInt(spell*cmp.Or(s.requests, requestsPerMs), 10))
	words := taskset(p.client)
	for _, w := range append(append([]string{}, s.prefix...), command...) {
		words = append(words, replace.Replace(w))
	}
	return words
}

// wrk takes whole seconds, but tells what it has when it is interrupted. It needs longer
// than others to have all its connections under way, and to be ready for the signal.
const (
	wrkSpells = 5
	wrkLeast  = 500 * time.Millisecond
)

// piecesOfSpell: a run that measures one call after the other does each for this part.
const piecesOfSpell = 10

// requestsPerMs: redis-benchmark counts requests, not time. Natively it makes
// some 100 a millisecond, peers 10 to 50 but for the slowest, which has its own number.
const requestsPerMs int64 = 40
