package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"netbox/netemu"
)

// ledgerReport is where --report unsupported goes: the program's end writes what it
// asked for and netbox does not have. Nil: it was not asked for.
type ledgerReport struct {
	io.Writer
	prefix string
	file   *os.File // nil: standard error
}

// openReport reads the flag, "unsupported" or "unsupported=FILE". The file is
// made at once, so that a wrong name is an error before the program starts.
func openReport(flag string) (*ledgerReport, error) {
	if flag == "" {
		return nil, nil
	}
	what, name, toFile := strings.Cut(flag, "=")
	switch {
	case what != "unsupported" || toFile && name == "":
		return nil, fmt.Errorf("--report %q: want unsupported or unsupported=FILE", flag)
	case !toFile:
		return &ledgerReport{Writer: os.Stderr, prefix: "netbox: unsupported: "}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("--report: %w", err)
	}
	return &ledgerReport{Writer: f, file: f}, nil
}

// write writes a line a row: kind, name, count and program, with tabs between
// them. A file stays empty, standard error says "nothing", when there is none.
func (r *ledgerReport) write(l *netemu.Ledger) error {
	rows, dropped := l.Entries()
	var b strings.Builder
	for _, e := range rows {
		fmt.Fprintf(&b, "%s%s\t%s\t%d\t%s\n", r.prefix, e.Kind, e.Name, e.Count, e.Program)
	}
	if dropped > 0 {
		fmt.Fprintf(&b, "%smore\trows than fit\t%d\t\n", r.prefix, dropped)
	}
	if b.Len() == 0 && r.file == nil {
		fmt.Fprintf(&b, "%snothing\n", r.prefix)
	}
	_, err := io.WriteString(r, b.String())
	if r.file != nil {
		if e := r.file.Close(); err == nil {
			err = e
		}
	}
	return err
}
