package netemu

import (
	"fmt"
	"sort"
	"sync"

	"netbox/trap"
)

// maxLedgerRows bounds the ledger: a hostile program can invent names.
const maxLedgerRows = 1024

// Ledger counts what programs asked for and netbox answered with "not
// supported": kind (syscall, option, cmsg, ioctl, netlink), name, program.
type Ledger struct {
	mu   sync.Mutex
	rows map[ledgerKey]uint64
	// Overflow counts what no row was left for.
	overflow uint64
}

type ledgerKey struct{ kind, name, program string }

// Entry is one row of the ledger.
type Entry struct {
	Kind, Name, Program string
	Count               uint64
}

func (l *Ledger) count(t trap.Task, kind string, name any) { l.countFor(t.Name(), kind, name) }

// countFor counts for a program whose task is not at hand.
func (l *Ledger) countFor(program, kind string, name any) {
	k := ledgerKey{kind, fmt.Sprint(name), program}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rows == nil {
		l.rows = make(map[ledgerKey]uint64)
	}
	if _, ok := l.rows[k]; !ok && len(l.rows) >= maxLedgerRows {
		l.overflow++
		return
	}
	l.rows[k]++
}

// Entries lists the rows, ordered, and how often the ledger was full.
func (l *Ledger) Entries() (rows []Entry, overflow uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, n := range l.rows {
		rows = append(rows, Entry{k.kind, k.name, k.program, n})
	}
	sort.Slice(rows, func(i, j int) bool {
		a, b := rows[i], rows[j]
		if a.Kind != b.Kind {
			return a.Kind < b.Kind
		}
		return a.Name+"\x00"+a.Program < b.Name+"\x00"+b.Program
	})
	return rows, l.overflow
}
