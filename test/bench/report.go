package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

const head = `# What netbox costs

Measured on %s: %s; netbox %s. %d rounds, all columns in turns in each; a measurement lasts %s.
Command: ` + "`%s`" + ` (` + "`make bench`" + `; ` + "`make bench-quick`" + ` takes fewer and shorter rounds). The figures are in [%[7]s.json](%[7]s.json).

![share of native](%[7]s.svg)

A cell is the share of native's pace (1 is native, less is slower, whether the row is a time or a rate), then the median, and in brackets the least and the most.
The programs are the same everywhere; the servers run on the host, at 127.0.0.1 natively and at 10.0.2.2 (` + "`--host-loopback`" + `) from the box. "netbox" is the default: uplink nat, engine auto, fast path.
*One core*: program, netbox and server on one processor; *two cores*: program and netbox on one, server on the other; else nobody is pinned (taskset). Where a process is woken on another core decides a round trip.

## netbox

**Bold** is where the aim of issue 4 is reached; the aim stands beside it, also where it is missed. The aims for the uplink host are those of that issue, too.

`

const peersHead = `
## Peers

The same programs in what others make of a network. proxychains4 carries TCP of dynamic programs by a SOCKS5 proxy; strace isolates nothing: it shows what stops alone cost.
A peer that fails three times in a row of the table, or at once, is not tried there again; the JSON has the reasons.
slirp4netns, pasta and runsc isolate, as netbox does; the third column is netbox's pace to that of the best of them: above 1 netbox is ahead.

`

const foot = `
A call that netbox does not trap costs what any seccomp filter makes it cost: the kernel looks at its map of allowed calls. The row "natively under a filter that allows all" has that on both sides.
`

// page is the Markdown page; name is that of the figures and the chart.
func (r *results) page(name string) []byte {
	var page bytes.Buffer
	fmt.Fprintf(&page, head, r.Date, r.Machine, r.Commit, r.Rounds, r.Spell, r.Command, name)
	var own, peers []string
	for _, s := range r.Sides {
		switch {
		case !s.Peer:
			own = append(own, s.Name)
		case s.Missing == "":
			peers = append(peers, s.Name)
		}
	}
	table(&page, own, r.Rows, func(row rowResult, side string) string { return row.cell(side, true) })
	page.WriteString(peersHead)
	r.list(&page)
	r.comparison(&page, peers)
	page.WriteString(foot)
	return page.Bytes()
}

// comparison is the table of netbox and its peers.
func (r *results) comparison(page *bytes.Buffer, peers []string) {
	compared := slices.DeleteFunc(slices.Clone(r.Rows), func(row rowResult) bool {
		return !slices.ContainsFunc(peers, row.has)
	})
	columns := slices.Concat([]string{native, "netbox", leadColumn}, peers)
	table(page, columns, compared, func(row rowResult, column string) string {
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

func table(page *bytes.Buffer, columns []string, rows []rowResult, cell func(row rowResult, column string) string) {
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
		case s.Peer:
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
