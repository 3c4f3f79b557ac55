package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// results is the JSON file: all that the page and the chart are made of.
type results struct {
	Date, Command, Machine, Commit string
	Rounds                         int
	Spell                          string
	// Took is how long all measurements took.
	Took string `json:",omitempty"`
	// Sides in the order of the columns, native first.
	Sides []sideResult
	Rows  []rowResult
	// LeftOut are rows that could not be measured here, with the reason.
	LeftOut []string `json:",omitempty"`
}

type sideResult struct {
	Name    string
	Version string `json:",omitempty"`
	// Missing is the program whose lack left the side out.
	Missing string `json:",omitempty"`
	// Refused is netbox's reason to refuse the side's command line.
	Refused string `json:",omitempty"`
	Peer    bool   `json:",omitempty"`
	// Isolates: the program has a network of its own, as in netbox.
	Isolates bool `json:",omitempty"`
	took     time.Duration
}

func (s sideResult) leftOut() bool { return s.Missing != "" || s.Refused != "" }

type rowResult struct {
	Name  string
	Table table  `json:",omitempty"`
	Pin   string `json:",omitempty"`
	Unit  unit
	// Figures are those of each side, round by round.
	Figures map[string][]float64
	// Aims are shares of native.
	Aims map[string]float64 `json:",omitempty"`
	// AimMore is how much more than native's a time may be.
	AimMore float64 `json:",omitempty"`
	// Failed is why a peer has fewer figures than rounds, or none.
	Failed map[string][]string `json:",omitempty"`
	took   time.Duration
}

// median is 0 where there are no figures.
func (r rowResult) median(side string) float64 {
	f := r.Figures[side]
	if len(f) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(f))[len(f)/2]
}

// share is of native's pace, and false where there is none.
func (r rowResult) share(side string) (float64, bool) {
	base, value := r.median(native), r.median(side)
	if base == 0 || value == 0 {
		return 0, false
	}
	return r.Unit.share(base, value), true
}

// reached says whether the side's aim is, and what the aim is, or "".
func (r rowResult) reached(side string) (bool, string) {
	if aim := r.Aims[side]; aim != 0 {
		share, _ := r.share(side)
		return share >= aim, fmt.Sprintf(" of %.2f", aim)
	}
	if r.AimMore != 0 {
		more := r.median(side) - r.median(native)
		return more <= r.AimMore, fmt.Sprintf(" · +%.1f of +%.0f ms", more/1e6, r.AimMore/1e6)
	}
	return false, ""
}

// lead is netbox's pace to that of the best side that isolates: above 1 it is
// ahead. It is 0 where there is nothing to compare.
func (r rowResult) lead(sides []sideResult) float64 {
	lead, own := 0.0, r.median("netbox")
	for _, s := range sides {
		if other := r.median(s.Name); s.Isolates && other != 0 && own != 0 {
			by := r.Unit.share(other, own)
			if lead == 0 || by < lead {
				lead = by
			}
		}
	}
	return lead
}

func readResults(file string) (*results, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := &results{}
	return r, json.Unmarshal(text, r)
}

// write makes the three files of path.
func (r *results) write(path string) error {
	figures, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	err = os.WriteFile(path+".json", append(compact(figures), '\n'), 0o644)
	if err != nil {
		return err
	}
	err = os.WriteFile(path+".md", r.page(filepath.Base(path)), 0o644)
	if err != nil {
		return err
	}
	return os.WriteFile(path+".svg", r.chart(), 0o644)
}
