package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
)

// results is the JSON file: all that the page and the chart are made of.
type results struct {
	Date, Command, Machine, Commit string
	Rounds                         int
	Spell                          string
	// Sides in the order of the columns, native first.
	Sides []sideResult
	Rows  []rowResult
}

type sideResult struct {
	Name    string
	Version string `json:",omitempty"`
	// Missing is the program whose lack left the side out.
	Missing string `json:",omitempty"`
	Peer    bool   `json:",omitempty"`
}

type rowResult struct {
	Name string
	Pin  string `json:",omitempty"`
	Unit unit
	// Figures are those of each side, round by round.
	Figures map[string][]float64
	// Aims are shares of native.
	Aims map[string]float64 `json:",omitempty"`
	// Failed is why a peer has none.
	Failed map[string]string `json:",omitempty"`
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
