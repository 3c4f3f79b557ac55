package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

const head = `# What netbox costs

Measured on %s: %s; netbox %s. %d rounds, all columns in turns in each; a measurement lasts %s.%s
Command: ` + "`%s`" + ` (` + "`make bench`" + `; ` + "`make bench-quick`" + ` takes fewer and shorter rounds). The figures are in [%[8]s.json](%[8]s.json).

![share of native](%[8]s.svg)

A cell is the share of native's pace (1 is native, less is slower, whether the row is a time or a rate), then the median, and in brackets the least and the most.
The programs are the same everywhere; the servers run on the host, at 127.0.0.1 natively and at 10.0.2.2 (` + "`--host-loopback`" + `) from the box. "netbox" is the default: uplink nat, engine auto, fast path.
*One core*: program, netbox and server on one processor; *two cores*: program and netbox on one, server on the other; else nobody is pinned (taskset). Where a process is woken on another core decides a round trip.

## netbox

**Bold** is where the aim of issue 4 is reached; the aim stands beside it, also where it is missed.

`

const callsHead = `
## What a trapped call costs

The median of one call within a box, in three rounds at most: what it needs and leaves is not counted. "netbox" has the engine notify, where there is one. A call on a surrogate that is not trapped, read(2) say, costs what it costs on an AF_UNIX socket.

`

const scaleHead = `
## Many at once

Each column is run once. A connection is held, with nothing to do, when memory and descriptors are counted: what the supervisor has more than with one. Its memory at its most is VmHWM.

`

const peersHead = `
## Peers

The same programs in what others make of a network. proxychains4 carries TCP of dynamic programs by a SOCKS5 proxy; strace isolates nothing: it shows what stops alone cost.
The bare relay is a C program of one epoll loop between an AF_UNIX pair and the host's socket (test/bench/testdata/relay.c), with no traps, policy or stack: what carrying bytes from process to process costs whoever does it, and so a bound for nat's rows.
A peer that fails three times in a row of the table, or at once, is not tried there again; the JSON has the reasons.
slirp4netns, pasta and runsc isolate, as netbox does; the third column is netbox's pace to that of the best of them: above 1 netbox is ahead.

`

const foot = `
A call that netbox does not trap costs what any seccomp filter makes it cost: the kernel looks at its map of allowed calls. The row "natively under a filter that allows all" has that on both sides.
`

// page is the Markdown page; name is that of the figures and the chart.
func (r *results) page(name string) []byte {
	var page bytes.Buffer
	fmt.Fprintf(&page, head, r.Date, r.Machine, r.Commit, r.Rounds, r.Spell, r.duration(), r.Command, name)
	var peers []string
	for _, s := range r.Sides {
		if s.Peer && !s.leftOut() {
			peers = append(peers, s.Name)
		}
	}
	r.own(&page, "", mainTable)
	r.notMeasured(&page)
	r.own(&page, callsHead, callTable)
	r.own(&page, scaleHead, scaleTable)
	page.WriteString(peersHead)
	r.list(&page)
	r.comparison(&page, peers)
	page.WriteString(foot)
	return page.Bytes()
}

// duration is the sentence that says how long the run took.
func (r *results) duration() string {
	if r.Took == "" { // figures of before it was counted
		return ""
	}
	return " The run took " + r.Took + "."
}

// own is a table of netbox's columns, of those that have something in it, under its
// head, if there are rows for it.
func (r *results) own(page *bytes.Buffer, head string, t table) {
	own := slices.DeleteFunc(slices.Clone(r.Rows), func(row rowResult) bool { return row.Table != t })
	if len(own) == 0 {
		return
	}
	page.WriteString(head)
	var columns []string
	for _, s := range r.Sides {
		if !s.Peer && slices.ContainsFunc(own, func(row rowResult) bool { return row.has(s.Name) }) {
			columns = append(columns, s.Name)
		}
	}
	writeTable(page, columns, own, func(row rowResult, side string) string { return row.cell(side, true) })
}

// notMeasured names columns and rows that this machine, or this netbox, has not.
func (r *results) notMeasured(page *bytes.Buffer) {
	var lines []string
	for _, s := range r.Sides {
		if s.Refused != "" {
			lines = append(lines, fmt.Sprintf("- the column %s: netbox refuses it: %s", s.Name, s.Refused))
		}
	}
	for _, reason := range r.LeftOut {
		lines = append(lines, "- "+reason)
	}
	if lines != nil {
		fmt.Fprintf(page, "\nNot measured here:\n\n%s\n", strings.Join(lines, "\n"))
	}
}

// comparison is the table of netbox and its peers.
func (r *results) comparison(page *bytes.Buffer, peers []string) {
	compared := slices.DeleteFunc(slices.Clone(r.Rows), func(row rowResult) bool {
		return row.Table != mainTable || !slices.ContainsFunc(peers, row.has)
	})
	columns := slices.Concat([]string{native, "netbox", leadColumn}, peers)
	writeTable(page, columns, compared, func(row rowResult, column string) string {
		if column != leadColumn {
			return row.cell(column, false)
		}
		lead := row.lead(r.Sides)
		if lead == 0 {
			return "–"
		}
		return fmt.Sprintf("%.2f", lead)
	})
}

// leadColumn is rowResult.lead.
const leadColumn = "netbox to the best that isolates"

func writeTable(page *bytes.Buffer, columns []string, rows []rowResult, cell func(row rowResult, column string) string) {
	fmt.Fprintf(page, "| what | %s |\n|---|%s\n", strings.Join(columns, " | "), strings.Repeat("---:|", len(columns)))
	for _, row := range rows {
		fmt.Fprintf(page, "| %s", row.title())
		for _, c := range columns {
			fmt.Fprintf(page, " | %s", cell(row, c))
		}
		page.WriteString(" |\n")
	}
}

// list names the peers with their versions, and those that are not there.
func (r *results) list(page *bytes.Buffer) {
	for _, s := range r.Sides {
		switch {
		case s.Missing != "":
			fmt.Fprintf(page, "- %s: missing, as %s is not installed\n", s.Name, s.Missing)
		case s.Peer && s.Version != "":
			fmt.Fprintf(page, "- %s: %s\n", s.Name, s.Version)
		}
	}
	page.WriteString("\n")
}

func (r rowResult) title() string {
	if r.Pin != "" {
		return "… " + r.Pin
	}
	return r.Name
}

func (r rowResult) has(side string) bool {
	return len(r.Figures[side]) > 0 || len(r.Failed[side]) > 0
}

func (r rowResult) cell(side string, aims bool) string {
	figures := r.Figures[side]
	switch {
	case len(figures) == 0 && len(r.Failed[side]) > 0:
		return "failed"
	case len(figures) == 0:
		return "–"
	}
	value := r.Unit.format(r.median(side), slices.Min(figures), slices.Max(figures))
	if n := len(r.Failed[side]); n > 0 {
		value += fmt.Sprintf(" (failed %d×)", n)
	}
	share, ok := r.share(side)
	if !ok || side == native {
		return value
	}
	text := fmt.Sprintf("%.2f", share)
	reached, aim := r.reached(side)
	if reached && aims {
		text = "**" + text + "**"
	}
	if aims {
		text += aim
	}
	return text + " · " + value
}
