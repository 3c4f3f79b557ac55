package main

import (
	"regexp"
	"time"
)

// table is one of the page's.
type table string

const (
	mainTable  table = ""
	callTable  table = "calls"
	scaleTable table = "scale"
)

// row is one quantity.
type row struct {
	name string
	// command is run; words like HOST are replaced (bench.word). It prints the
	// figure, unless it is timed.
	command []string
	unit    unit
	// timed: the figure is the time of the whole run.
	timed bool
	// figure finds it in what the command prints, where that is not all.
	figure *regexp.Regexp
	// floor is run natively instead of command.
	floor []string
	// peers: it says something of the peers, too.
	peers bool
	// udp: a peer may carry TCP alone.
	udp bool
	// relay: a relay can carry it (relay.c).
	relay bool
	// pinned: it is taken once more for each of pins.
	pinned bool
	// inside: the program brings its own server.
	inside bool
	// table is where the row stands. Rows of those but the main one that have the
	// same command share a run, and each finds its own figure in what is printed.
	table table
	// looks: the program says when its supervisor is to be looked at.
	looks bool
	// most bounds the rounds of one that is long, or has many columns; 0: does not.
	most int
	// needs are programs.
	needs []string
	aims  aims
	// aimMore is how much more than natively a time may be, by issue 4.
	aimMore time.Duration
}

// aims are the shares of native that issue 4 asks of netbox.
type aims struct {
	usual, noFastPath, ptrace float64
	// host and hostPtrace are for the uplink host, with either engine.
	host, hostPtrace float64
}

var (
	wrkRate   = regexp.MustCompile(`Requests/sec: +([0-9.]+)`)
	redisRate = regexp.MustCompile(`"GET","([0-9.]+)"`)
)

// client is the C client's command line for a verb that talks to the server.
func client(verb string) []string { return []string{"CLIENT", verb, "SPELL", "HOST", "PORT"} }

// calls is that of one which does not, or which brings its own server.
func calls(verb string) []string { return []string{"CLIENT", verb, "SPELL"} }

var (
	bulk    = aims{0.90, 0.50, 0.90, 0.98, 0.98}
	untaken = aims{0.98, 0.98, 0.98, 0.98, 0.98}
)

var rows = []row{
	{name: "start-up (true)", command: []string{"/bin/true"}, unit: nanoseconds, timed: true, peers: true, aimMore: 15 * time.Millisecond},
	{name: "start-up and modules (python3)", command: []string{"python3", "-c", "import asyncio, ssl, urllib.request"}, unit: nanoseconds, timed: true},
	{name: "compile (gcc -O2 -c)", command: []string{"gcc", "-O2", "-c", "SOURCE", "-o", "/dev/null"}, unit: nanoseconds, timed: true},
	{name: "search by name (find)", command: []string{"find", "/usr/share", "-name", "none"}, unit: nanoseconds, timed: true},
	{name: "search in many small files (grep -r)", command: []string{"grep", "-rc", "define", "/usr/include/linux"}, unit: nanoseconds, timed: true},

	{name: "bulk TCP down", command: client("down"), unit: bytesSecond, peers: true, relay: true, aims: bulk},
	{name: "bulk TCP up", command: client("up"), unit: bytesSecond, peers: true, relay: true, aims: bulk},
	{name: "bulk TCP down, 4 streams", command: client("down4"), unit: bytesSecond, peers: true, relay: true, aims: bulk},
	{name: "bulk TCP up, 4 streams", command: client("up4"), unit: bytesSecond, peers: true, relay: true, aims: bulk},
	{name: "TCP round trip, 1 byte, p50", command: client("rtt"), unit: nanoseconds, peers: true, relay: true, pinned: true, aims: aims{0.60, 0.30, 0.60, 0.98, 0.98}},
	{name: "connect, echo, close (C)", command: client("connect"), unit: perSecond, peers: true, pinned: true, aims: aims{0.60, 0.30, 0.35, 0.80, 0.50}},
	{name: "connect, echo, close (static Go)", command: []string{"BENCH", "connect", "SPELL", "HOST", "PORT"}, unit: perSecond, pinned: true, aims: aims{0.60, 0.30, 0.35, 0.80, 0.50}},
	{name: "in-box loopback, bulk", command: calls("inside-down"), unit: bytesSecond, aims: aims{usual: 1, noFastPath: 0.40, ptrace: 1}},
	{name: "in-box loopback, 1-byte round trip, p50", command: calls("inside-rtt"), unit: nanoseconds, inside: true, pinned: true, aims: aims{usual: 1, noFastPath: 0.40, ptrace: 1}},

	{name: "UDP round trip, connected, p50", command: client("udp"), unit: nanoseconds, peers: true, relay: true, udp: true, pinned: true, aims: aims{usual: 0.40, noFastPath: 0.30, host: 0.95, hostPtrace: 0.95}},
	{name: "UDP round trip, sendto and recvfrom, p50", command: client("udp-to"), unit: nanoseconds, peers: true, udp: true, pinned: true, aims: aims{usual: 0.30, noFastPath: 0.25, host: 0.60}},
	{name: "DNS-like: a fresh UDP socket a query", command: client("query"), unit: perSecond, peers: true, udp: true, pinned: true, aims: aims{0.25, 0.20, 0.12, 0.40, 0.20}},

	{name: "wrk, 64 connections kept alive (nginx)", command: []string{"timeout", "--preserve-status", "-s", "INT", "WRKTIME", "wrk", "-t1", "-c64", "-d1s", "http://HOST:HTTP/"}, figure: wrkRate, unit: perSecond, peers: true, needs: []string{"wrk", "nginx"}, aims: aims{0.80, 0.45, 0.80, 0.98, 0.98}},
	{name: "redis-benchmark, 50 connections", command: []string{"redis-benchmark", "--csv", "-h", "HOST", "-p", "REDIS", "-c", "50", "-n", "REQUESTS", "-t", "get"}, figure: redisRate, unit: perSecond, peers: true, needs: []string{"redis-benchmark", "redis-server"}, aims: aims{0.70, 0.40, 0.70, 0.95, 0.95}},

	{name: "stat loop, one call", command: calls("stat"), unit: nanoseconds, aims: untaken},
	{name: "stat loop, one call, CPU time", command: calls("stat-cpu"), unit: nanoseconds, aims: untaken},
	{name: "the same, natively under a filter that allows all", command: calls("stat-cpu"), floor: calls("stat-floor"), unit: nanoseconds},
	{name: "open loop, open and close", command: calls("open"), unit: nanoseconds},
	{name: "fork loop, one fork", command: calls("fork"), unit: nanoseconds},
	{name: "fork and exec loop, one true", command: calls("exec"), unit: nanoseconds, aims: aims{0.80, 0.80, 0.50, 0.80, 0.50}},

	{name: "supervisor's resident memory, one connection", command: client("idle"), unit: bytesHeld, looks: true, figure: printed("one resident"), peers: true},
}
