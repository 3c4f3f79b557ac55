package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// printed finds a figure on a line of its own, behind its name.
func printed(name string) *regexp.Regexp {
	return regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + `: ([0-9.]+)$`)
}

// trappedCalls are those of trapped.c.
var trappedCalls = []string{
	"socket, TCP", "socket, UDP", "bind, TCP", "listen", "connect, UDP", "connect, TCP within the box", "accept", "shutdown",
	"getsockname", "getpeername", "getsockopt, SO_ERROR", "setsockopt, SO_REUSEADDR", "sendto", "recvfrom", "sendmsg", "recvmsg",
	"ioctl, SIOCGIFFLAGS", "open",
}

// callRounds are enough for medians of medians.
const callRounds = 3

// callRows are the table of what a trapped call costs.
func callRows() []row {
	var list []row
	add := func(name, verb, figure string) {
		list = append(list, row{name: name, command: []string{"CLIENT", verb, "PIECE"}, figure: printed(figure),
			unit: nanoseconds, inside: true, pinned: true, table: callTable, most: callRounds})
	}
	for _, name := range trappedCalls {
		add(name, "trapped", name)
	}
	for _, n := range []string{"1", "10", "100", "1000"} {
		add("getsockname, threads: "+n, "tasks", n+" tasks")
	}
	return append(list, row{name: "fork, 200 processes at it", command: calls("forkers"), figure: printed("forkers"),
		unit: nanoseconds, table: callTable, most: callRounds})
}

// crowdTime, in milliseconds, is long enough for a hundred streams to fill their buffers.
const crowdTime = "1000"

// scaleRows are the table of many connections at once: n, half of them again in pairs
// within the box.
func scaleRows(n int) []row {
	count := strconv.Itoa(n)
	many := row{command: []string{"CLIENT", "many", count, "HOST", "PORT"}}
	pairs := row{command: []string{"CLIENT", "pairs", strconv.Itoa(n / 2)}}
	var list []row
	add := func(r row, name, figure string, u unit) {
		r.name, r.figure, r.unit, r.table, r.looks, r.most = name, printed(figure), u, scaleTable, true, 1
		list = append(list, r)
	}
	for _, upTo := range steps(n) {
		add(many, "to the host: a connection, up to number "+upTo, "up to "+upTo, nanoseconds)
	}
	add(many, "… memory of each of "+count, "all resident each", bytesHeld)
	add(many, "… supervisor's descriptors, each", "all descriptors each", things)
	for _, upTo := range steps(n / 2) {
		add(pairs, "within the box: a connection, up to number "+upTo, "up to "+upTo, nanoseconds)
	}
	add(pairs, fmt.Sprintf("… memory of each of %d sockets", n/2*2), "all resident each", bytesHeld)
	add(pairs, "… supervisor's descriptors, each", "all descriptors each", things)
	for _, r := range []row{
		{name: "100 streams at once: the half that comes from the host", command: []string{"CLIENT", "crowd", crowdTime, "HOST", "PORT"}},
		{name: "100 streams at once within the box", command: []string{"CLIENT", "crowd-inside", crowdTime}},
	} {
		add(r, r.name, "crowd", bytesSecond)
		add(r, "… supervisor's memory at its most", "busy peak", bytesHeld)
	}
	return list
}

// steps are 10, 100 and so on, and n.
func steps(n int) []string {
	var list []string
	for s := 10; s < n; s *= 10 {
		list = append(list, strconv.Itoa(s))
	}
	return append(list, strconv.Itoa(n))
}

// connections is how many the limit of descriptors allows, at most: netbox has two for
// one to the host, and some of its own.
func connections(most int) int {
	const each, others = 2, 200
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	if err != nil {
		return most
	}
	return int(min(uint64(most), (limit.Max-others)/each))
}

// allRows are the rows of all tables.
func (o options) allRows() []row {
	most := 10_000
	if o.quick {
		most = 1000
	}
	return slices.Concat(rows, callRows(), scaleRows(connections(most)))
}
