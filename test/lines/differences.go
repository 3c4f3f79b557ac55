// Package lines holds the differences that may be between what a program prints
// natively and under netbox, line by line: a list in YAML, each entry with its
// reason.
package lines

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"
)

// Difference allows lines of one case to differ from the native run.
type Difference struct {
	Case   string `yaml:"case"`   // program/case
	Native string `yaml:"native"` // regular expression of the whole native line
	Netbox string `yaml:"netbox"` // and of netbox's
	After  string `yaml:"after"`  // and of an earlier native line, if given
	Reason string `yaml:"reason"`
	// Varies: some machines do not differ here.
	Varies bool `yaml:"varies"`

	native, netbox, after *regexp.Regexp
	used                  bool
}

// Differences is a list that was read.
type Differences []*Difference

// Read reads the list in file.
func Read(t *testing.T, file string) Differences {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list Differences
	if err := yaml.UnmarshalWithOptions(content, &list, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if d.Reason == "" {
			t.Errorf("%s: %s, %s: no reason", file, d.Case, d.Native)
		}
		d.native = regexp.MustCompile("^(?:" + d.Native + ")$")
		d.netbox = regexp.MustCompile("^(?:" + d.Netbox + ")$")
		d.after = regexp.MustCompile("^(?:" + d.After + ")$")
	}
	return list
}

// Allow says whether a line of case name may differ so, behind the earlier ones of
// the native run.
func (list Differences) Allow(name, native, netbox string, earlier ...string) bool {
	for _, d := range list {
		behind := d.After == "" || slices.ContainsFunc(earlier, d.after.MatchString)
		if d.Case == name && behind && d.native.MatchString(native) && d.netbox.MatchString(netbox) {
			d.used = true
			return true
		}
	}
	return false
}

// Unused are the entries that no line needed.
func (list Differences) Unused() []string {
	var stale []string
	for _, d := range list {
		if !d.used && !d.Varies {
			stale = append(stale, d.Case+": "+d.Native)
		}
	}
	return stale
}
